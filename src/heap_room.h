/*
 * heap_room.h: empty pages at the end of a heap, ahead of need.
 */
#ifndef HOSPITAL_HEAP_ROOM_H
#define HOSPITAL_HEAP_ROOM_H

#include "postgres.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* Bytes of tuples, line pointers included, that an empty page takes. */
#define PAGE_ROOM (BLCKSZ - SizeOfPageHeaderData)

/* Add pages and tell the free space map; a no-op where the server does so itself. */
extern void heap_room_add(Relation rel, int pages, BufferAccessStrategy buffers);

#endif							/* HOSPITAL_HEAP_ROOM_H */

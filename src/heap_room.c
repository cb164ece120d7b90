/*
 * heap_room.c: empty pages at the end of a heap, ahead of need.
 *
 * Several processes that fill one table meet at its end: until PostgreSQL 16 a
 * table grows by a page at a time under a lock, and with two loaders a quarter
 * of their time went into waiting for it.  So each takes the lock once for
 * many pages, and the free space map hands them out.  From 16 on the server
 * does that itself.
 *
 * The pages are initialised but not logged, as those that the server adds when
 * it meets contention; after a crash they are empty pages, used by the next
 * insert that asks the map.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/freespace.h"
#include "storage/lmgr.h"

#include "compat.h"
#include "heap_room.h"

#ifdef HEAP_GROWS_BY_ONE_PAGE

static BlockNumber
add_page(Relation rel, BufferAccessStrategy buffers)
{
	Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, P_NEW, RBM_ZERO_AND_LOCK, buffers);
	BlockNumber block = BufferGetBlockNumber(buffer);

	PageInit(BufferGetPage(buffer), BLCKSZ, 0);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	return block;
}

void
heap_room_add(Relation rel, int pages, BufferAccessStrategy buffers)
{
	BlockNumber first = InvalidBlockNumber;
	BlockNumber block = InvalidBlockNumber;

	LockRelationForExtension(rel, ExclusiveLock);
	for (int i = 0; i < pages; i++)
	{
		block = add_page(rel, buffers);
		if (i == 0)
			first = block;
	}
	UnlockRelationForExtension(rel, ExclusiveLock);

	CHECK_FOR_INTERRUPTS();
	for (BlockNumber b = first; b <= block; b++)
		RecordPageWithFreeSpace(rel, b, PAGE_ROOM);
	FreeSpaceMapVacuumRange(rel, first, block + 1);
}

#else

void
heap_room_add(Relation rel, int pages, BufferAccessStrategy buffers)
{
}

#endif

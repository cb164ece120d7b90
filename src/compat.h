/*
 * compat.h: the only file that asks which PostgreSQL this is.
 */
#ifndef HOSPITAL_COMPAT_H
#define HOSPITAL_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000 || PG_VERSION_NUM >= 190000
#error "hospital needs PostgreSQL 14 to 18"
#endif

#include "access/tupdesc.h"
#include "common/jsonapi.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

/* A prefix whose unknown settings are refused. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* Custom wait events have names from 17 on. */
#if PG_VERSION_NUM >= 170000
#define hospital_wait_event(cache, name) \
	(*(cache) != 0 ? *(cache) : (*(cache) = WaitEventExtensionNew(name)))
#else
#define hospital_wait_event(cache, name) ((void) (cache), (void) (name), PG_WAIT_EXTENSION)
#endif

/* CustomScan: projection is a flag from 15 on, implied before. */
#if PG_VERSION_NUM < 150000
#define CUSTOMPATH_SUPPORT_PROJECTION 0
#endif

/* Text headers got a file of their own in 16, parts of EXPLAIN in 18. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* Said before a declaration; the name is 18's. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Index entries of a new row; a flag for summarizing indexes came with 16. */
#if PG_VERSION_NUM >= 160000
#define insert_index_entries(rri, slot, estate) \
	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL, false)
#else
#define insert_index_entries(rri, slot, estate) \
	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL)
#endif

/* The leaf at the right end of a btree: the snapshot went with 17. */
#if PG_VERSION_NUM >= 170000
#define btree_endpoint(index) _bt_get_endpoint(index, 0, true)
#else
#define btree_endpoint(index) _bt_get_endpoint(index, 0, true, NULL)
#endif

/* From 16 on a heap grows by many pages at once where many are wanted. */
#if PG_VERSION_NUM < 160000
#define HEAP_GROWS_BY_ONE_PAGE 1
#endif

/* Ownership checks were one function a kind until 16. */
#if PG_VERSION_NUM >= 160000
#define owns_relation(relid, role) object_ownercheck(RelationRelationId, relid, role)
#define may_execute(funcid, role) object_aclcheck(ProcedureRelationId, funcid, role, ACL_EXECUTE)
#else
#define owns_relation(relid, role) pg_class_ownercheck(relid, role)
#define may_execute(funcid, role) pg_proc_aclcheck(funcid, role, ACL_EXECUTE)
#endif

/* Columns that are computed when they are read came with 18. */
#if PG_VERSION_NUM >= 180000
#define has_generated_columns(constr) ((constr)->has_generated_stored || (constr)->has_generated_virtual)
#else
#define has_generated_columns(constr) ((constr)->has_generated_stored)
#endif

/* JSON: callbacks return a result from 16 on; the lexer may be the caller's from 17 on. */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType JsonActionResult;
#define JSON_ACTION_DONE return JSON_SUCCESS
#else
typedef void JsonActionResult;
#define JSON_ACTION_DONE return
#endif
#if PG_VERSION_NUM >= 170000
#define json_lexer_for(json, length, encoding) \
	makeJsonLexContextCstringLen(NULL, json, length, encoding, true)
#else
#define json_lexer_for(json, length, encoding) \
	makeJsonLexContextCstringLen(json, length, encoding, true)
#endif

/* Shared memory is asked for in a hook from 15 on. */
#if PG_VERSION_NUM >= 150000
#define HAVE_SHMEM_REQUEST_HOOK 1
#endif

/* A worker may connect as a role without LOGIN from 17 on. */
#ifndef BGWORKER_BYPASS_ROLELOGINCHECK
#define BGWORKER_BYPASS_ROLELOGINCHECK 0
#define WORKER_ROLE_NEEDS_LOGIN 1
#endif

/* Parameters of fixed types: another name until 15.  18 runs a portal once in any case. */
#if PG_VERSION_NUM < 150000
#define pg_analyze_and_rewrite_fixedparams(statement, text, types, n, environment) \
	pg_analyze_and_rewrite(statement, text, (Oid *) (types), n, environment)
#endif
#if PG_VERSION_NUM >= 180000
#define run_portal(portal, top_level, receiver, completion) \
	PortalRun(portal, FETCH_ALL, top_level, receiver, receiver, completion)
#else
#define run_portal(portal, top_level, receiver, completion) \
	PortalRun(portal, FETCH_ALL, top_level, true, receiver, receiver, completion)
#endif

#if PG_VERSION_NUM >= 180000
#define HOSPITAL_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "hospital", .version = HOSPITAL_VERSION)
#else
#define HOSPITAL_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif							/* HOSPITAL_COMPAT_H */

/*
 * cppcheck.h: what cppcheck, which is not shown the server's headers, has to know
 * of them: what does not return, and the macros that are not expressions.
 */
#define DEBUG1 14
#define LOG 15
#define NOTICE 18
#define WARNING 19
#define ERROR 21
#define FATAL 22
#define PANIC 23
extern void abort(void);
#define ereport(level, ...) do { if ((level) >= ERROR) abort(); } while (0)
#define elog(level, ...) do { if ((level) >= ERROR) abort(); } while (0)
#define PG_RE_THROW() abort()
#define PG_FUNCTION_INFO_V1(name) extern int pg_finfo_of
#define StaticAssertDecl(condition, message) extern int checked_when_compiled
#define foreach(cell, list) for (cell = list_first(list); cell != NULL; cell = list_next(cell))
#define dlist_foreach(iter, list) for (iter.cur = dlist_first(list); iter.cur != NULL; iter.cur = dlist_after(iter.cur))
#define dlist_foreach_modify(iter, list) dlist_foreach(iter, list)
#define PG_TRY() {
#define PG_CATCH() } if (pg_caught()) {
#define PG_FINALLY() } {
#define PG_END_TRY() }
#define Assert(condition) do { if (!(condition)) abort(); } while (0)
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define PG_VERSION_NUM 150000
#define HOSPITAL_ZLIB 1
#define HOSPITAL_ZSTD 1

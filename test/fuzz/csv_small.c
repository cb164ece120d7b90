/*
 * csv_small.c: csv_read.c once more, with small pieces and records.
 *
 * CSV_READ_SMALL is the true source with the values of two macros replaced
 * (test/fuzz/build.sh); nothing else of it differs but the names.
 */
#define csv_reader small_csv_reader
#define csv_reader_of_bytes small_csv_reader_of_bytes
#define csv_set_position small_csv_set_position
#define csv_offset small_csv_offset
#define csv_line small_csv_line
#define csv_fill small_csv_fill
#define csv_next small_csv_next
#define csv_is_utf8 small_csv_is_utf8

#include CSV_READ_SMALL

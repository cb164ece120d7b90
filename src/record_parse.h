/*
 * record_parse.h: a line of a day file as a record, or why it is none.
 */
#ifndef HOSPITAL_RECORD_PARSE_H
#define HOSPITAL_RECORD_PARSE_H

#include "postgres.h"

#include "csv_read.h"
#include "records.h"

typedef struct RecordFault
{
	int			column;			/* of the kind; -1: the line as a whole */
	int			sqlstate;
	const char *message;		/* lives as long as the batch at least */
} RecordFault;

typedef struct RecordParser RecordParser;

/* Can texts of this encoding be made UTF-8? */
extern bool record_encoding_is_known(int encoding);

/* In CurrentMemoryContext.  "encoding" is the server's number of the file's. */
extern RecordParser *record_parser(const RecordKind *kind, DateADT day, int encoding);

/* The first line says which column each field is.  NULL, or why it does not. */
extern const char *record_parse_header(RecordParser *parser, const CsvRecord *header);

/* The header need not be asked: the columns are in the kind's order. */
extern void record_parse_usual_order(RecordParser *parser);
extern bool record_order_is_usual(const RecordParser *parser);

/* The lines to come are known to be valid in their encoding, or not. */
extern void record_parse_trust(RecordParser *parser, bool valid);

/*
 * The record's texts point into the line; those that had to be converted are
 * in CurrentMemoryContext.  False, with "fault" filled in, when types, ranges,
 * vocabularies, nulls or the kind's rules do not hold.  References are the
 * caller's.
 */
extern bool record_parse(RecordParser *parser, const CsvRecord *line, void *record,
						 RecordFault *fault);

#endif							/* HOSPITAL_RECORD_PARSE_H */

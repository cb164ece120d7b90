/*
 * event_hl7_sql.h: the HL7 messages of a day as rows: hospital_generate_hl7.
 */
#ifndef HOSPITAL_EVENT_HL7_SQL_H
#define HOSPITAL_EVENT_HL7_SQL_H

#include "rowsource.h"

extern const RowSourceMethods hl7_source;

#endif							/* HOSPITAL_EVENT_HL7_SQL_H */

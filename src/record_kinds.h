/*
 * record_kinds.h: the names of the kinds of records, for what is written once
 * for each: RECORD_KIND(name) is defined before, and undefined after.
 */
RECORD_KIND(staff_changes)
RECORD_KIND(registrations)
RECORD_KIND(admissions)
RECORD_KIND(visits)
RECORD_KIND(status_updates)
RECORD_KIND(doctor_assignments)
RECORD_KIND(transfers)
RECORD_KIND(diagnoses)
RECORD_KIND(treatments)
RECORD_KIND(lab_results)
RECORD_KIND(vital_signs)
RECORD_KIND(prescriptions)
RECORD_KIND(billing_payments)

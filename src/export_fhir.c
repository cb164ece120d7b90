/*
 * export_fhir.c: the hospital's records as FHIR R4 resources.
 *
 * Two sources of documents, one a line:
 *
 *   practitioners  the Organization, and a Practitioner for everybody who is registered with a council
 *   bundles        for each patient and day of arrival a Bundle: the Patient, and of each visit the Encounter,
 *                  Conditions, MedicationRequests, Observations and Claim, whenever they were made
 *
 * A Bundle is a transaction of PUTs: posted again it changes nothing.  What it
 * refers to is in it, or in practitioners.  docs/export.md says what is simplified.
 *
 * The server's JSON functions make the documents.  A day is a range of the
 * visits' key, and what belongs to its visits comes by the indexes on visit_id.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "compat.h"
#include "export_source.h"

#define BASE "https://hospital.example/fhir/"
#define LOCAL_ID BASE "sid/"	/* identifier systems of our own: there is no published one for South Africa's */
#define TERMINOLOGY "http://terminology.hl7.org/CodeSystem/"
#define JSON "json_build_object"

#define DAY_OF_VISIT "(date '2000-01-01' + (visit_id / 1000000)::int4)"
#define VISITS_OF_DAYS \
	"visit_id >= ($1 - date '2000-01-01')::int8 * 1000000 AND visit_id < ($2 - date '2000-01-01' + 1)::int8 * 1000000"

/* A reference; null where there is nobody. */
#define REFERENCE(type, id) "CASE WHEN " id " IS NOT NULL THEN " JSON "('reference', '" type "/' || " id ") END"
#define CODING(system, code, display) JSON "('system', '" system "', 'code', " code ", 'display', " display ")"
#define CONCEPT(system, code, display) \
	JSON "('coding', json_build_array(" CODING(system, code, display) "), 'text', " display ")"
/* Those that are always the same are constants of the query. */
#define CODING_TEXT(system, code, display) \
	"{\"system\": \"" system "\", \"code\": \"" code "\", \"display\": \"" display "\"}"
#define FIXED_CODING(system, code, display) "'" CODING_TEXT(system, code, display) "'::json"
#define FIXED_CONCEPT(system, code, display) \
	"'{\"coding\": [" CODING_TEXT(system, code, display) "], \"text\": \"" display "\"}'::json"
#define TEXT_CONCEPT(text) "CASE WHEN " text " IS NOT NULL THEN " JSON "('text', " text ") END"
#define RAND(amount) JSON "('value', " amount ", 'currency', 'ZAR')"
#define OF_VISIT(x) \
	"'subject', " REFERENCE("Patient", x ".patient_id") ", 'encounter', " REFERENCE("Encounter", x ".visit_id")

static const char practitioners[] =
	"SELECT d.document FROM ("
	"SELECT 0::int8 AS id, json_strip_nulls(" JSON "('resourceType', 'Organization', 'id', 'hospital', 'active', true,"
	" 'type', json_build_array(" FIXED_CONCEPT(TERMINOLOGY "organization-type", "prov", "Healthcare Provider") "),"
	" 'name', s.name)) AS document FROM hospital.simulation s"
	" UNION ALL "
	"SELECT s.staff_id, json_strip_nulls(" JSON "('resourceType', 'Practitioner', 'id', s.staff_id::text,"
	" 'identifier', json_build_array(" JSON "('system', '" LOCAL_ID "registration-no', 'value', s.registration_no)),"
	" 'active', s.left_on IS NULL,"
	" 'name', json_build_array(" JSON "('use', 'official', 'family', s.last_name, 'given', json_build_array(s.first_name))),"
	" 'gender', CASE s.sex WHEN 'F' THEN 'female' ELSE 'male' END, 'birthDate', s.date_of_birth,"
	" 'qualification', json_build_array(" JSON "('code', " JSON "('text', s.role))))) FROM hospital.staff s"
	" WHERE s.registration_no IS NOT NULL"
	" OR EXISTS (SELECT FROM hospital.visits v WHERE v.doctor_id = s.staff_id)) d ORDER BY d.id";

/* ---- the resources of a day's visits; each: patient_id, place in the bundle, type, id, resource ---- */

static const char patients[] =
	"SELECT p.patient_id, 0 AS place, 0::int8 AS number, 'Patient' AS type, p.patient_id::text AS id,"
	" " JSON "('resourceType', 'Patient', 'id', p.patient_id::text, 'active', true,"
	" 'identifier', CASE WHEN n.national_id IS NOT NULL OR n.passport_no IS NOT NULL THEN json_build_array("
	JSON "('use', 'usual', 'type', " FIXED_CONCEPT(TERMINOLOGY "v2-0203", "MR", "Medical record number") ","
	" 'system', '" LOCAL_ID "folder-no', 'value', p.folder_no),"
	JSON "('use', 'official', 'type', CASE WHEN n.national_id IS NOT NULL"
	" THEN " FIXED_CONCEPT(TERMINOLOGY "v2-0203", "NI", "National unique individual identifier")
	" ELSE " FIXED_CONCEPT(TERMINOLOGY "v2-0203", "PPN", "Passport number") " END,"
	" 'system', CASE WHEN n.national_id IS NOT NULL THEN '" LOCAL_ID "za-id-number' ELSE '" LOCAL_ID "passport-no' END,"
	" 'value', coalesce(n.national_id::text, n.passport_no)))"
	" ELSE json_build_array(" JSON "('use', 'usual', 'type', " FIXED_CONCEPT(TERMINOLOGY "v2-0203", "MR", "Medical record number") ","
	" 'system', '" LOCAL_ID "folder-no', 'value', p.folder_no)) END,"
	" 'name', json_build_array(" JSON "('use', 'official', 'text', p.full_name, 'family', n.last_name,"
	" 'given', CASE WHEN n.first_name IS NOT NULL THEN json_build_array(n.first_name) END)),"
	" 'telecom', json_build_array(" JSON "('system', 'phone', 'value', p.contact_info)),"
	" 'gender', lower(p.gender), 'birthDate', p.date_of_birth, 'deceasedDateTime', p.deceased_at,"
	" 'address', CASE WHEN n.person_id IS NOT NULL THEN json_build_array(" JSON "('use', 'home', 'line', json_build_array(n.address),"
	" 'city', n.suburb, 'postalCode', n.postal_code, 'country', 'ZA')) END,"
	" 'managingOrganization', " JSON "('reference', 'Organization/hospital')) AS resource"
	" FROM hospital.patients p LEFT JOIN hospital.people n ON n.person_id = p.patient_id"
	" WHERE p.patient_id IN (SELECT v.patient_id FROM v)";

static const char encounters[] =
	"SELECT v.patient_id, 1, v.visit_id, 'Encounter', v.visit_id::text,"
	" " JSON "('resourceType', 'Encounter', 'id', v.visit_id::text,"
	" 'status', CASE WHEN v.left_at IS NULL THEN 'in-progress' ELSE 'finished' END,"
	" 'class', CASE WHEN v.admission_id IS NOT NULL THEN " FIXED_CODING(TERMINOLOGY "v3-ActCode", "IMP", "inpatient encounter")
	" WHEN v.kind = 'emergency' THEN " FIXED_CODING(TERMINOLOGY "v3-ActCode", "EMER", "emergency")
	" ELSE " FIXED_CODING(TERMINOLOGY "v3-ActCode", "AMB", "ambulatory") " END,"
	" 'type', json_build_array(" JSON "('text', v.kind)),"
	" 'serviceType', " TEXT_CONCEPT("coalesce(e.name, v.department_code)") ","
	" 'priority', " TEXT_CONCEPT("v.triage") ","
	" 'subject', " REFERENCE("Patient", "v.patient_id") ","
	" 'participant', CASE WHEN v.doctor_id IS NOT NULL THEN json_build_array("
	JSON "('individual', " REFERENCE("Practitioner", "v.doctor_id") ")) END,"
	" 'period', " JSON "('start', v.arrived_at, 'end', v.left_at),"
	" 'reasonCode', CASE WHEN v.diagnosis IS NOT NULL THEN json_build_array(" TEXT_CONCEPT("v.diagnosis") ") END,"
	" 'diagnosis', (SELECT json_agg(" JSON "('condition', " REFERENCE("Condition", "d.diagnosis_id") ","
	" 'use', " JSON "('text', d.rank)) ORDER BY d.diagnosis_id) FROM hospital.diagnoses d WHERE d.visit_id = v.visit_id),"
	" 'hospitalization', CASE WHEN v.disposition IS NOT NULL THEN " JSON "('dischargeDisposition', "
	TEXT_CONCEPT("v.disposition") ") END,"
	" 'serviceProvider', " JSON "('reference', 'Organization/hospital'))"
	" FROM v LEFT JOIN hospital.departments e USING (department_code)";

static const char conditions[] =
	"SELECT d.patient_id, 2, d.diagnosis_id, 'Condition', d.diagnosis_id::text,"
	" " JSON "('resourceType', 'Condition', 'id', d.diagnosis_id::text,"
	" 'clinicalStatus', " FIXED_CONCEPT(TERMINOLOGY "condition-clinical", "active", "Active") ","
	" 'verificationStatus', " FIXED_CONCEPT(TERMINOLOGY "condition-ver-status", "confirmed", "Confirmed") ","
	" 'category', json_build_array(" FIXED_CONCEPT(TERMINOLOGY "condition-category", "encounter-diagnosis", "Encounter Diagnosis") "),"
	" 'code', " CONCEPT("http://hl7.org/fhir/sid/icd-10", "d.code", "d.description") ","
	" " OF_VISIT("d") ", 'recordedDate', d.at)"
	" FROM v JOIN hospital.diagnoses d USING (visit_id)";

static const char medication_requests[] =
	"SELECT r.patient_id, 3, r.prescription_id, 'MedicationRequest', r.prescription_id::text,"
	" " JSON "('resourceType', 'MedicationRequest', 'id', r.prescription_id::text, 'status', 'completed', 'intent', 'order',"
	" 'medicationCodeableConcept', " JSON "('coding', json_build_array("
	CODING("http://www.whocc.no/atc", "m.atc", "m.name") ", " CODING(LOCAL_ID "medicine-id", "m.medicine_id", "m.name") "),"
	" 'text', m.name || ' ' || m.strength || ', ' || m.form),"
	" " OF_VISIT("r") ", 'authoredOn', r.prescribed_at, 'requester', " REFERENCE("Practitioner", "r.doctor_id") ","
	" 'dosageInstruction', json_build_array(" JSON "('text', r.dosage || ', for ' || r.duration)),"
	" 'dispenseRequest', " JSON "('quantity', " JSON "('value', r.quantity, 'unit', 'pack')))"
	" FROM v JOIN hospital.prescriptions r USING (visit_id) JOIN hospital.medicines m USING (medicine_id)";

static const char laboratory[] =
	"SELECT l.patient_id, 4, l.lab_result_id, 'Observation', 'lab-' || l.lab_result_id,"
	" " JSON "('resourceType', 'Observation', 'id', 'lab-' || l.lab_result_id, 'status', 'final',"
	" 'category', json_build_array(" FIXED_CONCEPT(TERMINOLOGY "observation-category", "laboratory", "Laboratory") "),"
	" 'code', " CONCEPT("http://loinc.org", "l.code", "l.description") ","
	" " OF_VISIT("l") ", 'effectiveDateTime', l.at,"
	" 'valueQuantity', CASE WHEN l.value IS NOT NULL THEN " JSON "('value', l.value, 'unit', l.unit) END,"
	" 'valueString', CASE WHEN l.value IS NULL THEN l.result END,"
	" 'interpretation', CASE WHEN l.flag IS NOT NULL THEN json_build_array("
	JSON "('coding', json_build_array(" JSON "('system', '" TERMINOLOGY "v3-ObservationInterpretation', 'code', l.flag)))) END,"
	" 'specimen', CASE WHEN l.specimen IS NOT NULL THEN " JSON "('display', l.specimen) END)"
	" FROM v JOIN hospital.lab_results l USING (visit_id)";

#define MEASURED(loinc, name, value, unit, ucum) \
	JSON "('code', " FIXED_CONCEPT("http://loinc.org", loinc, name) ", 'valueQuantity', " \
	JSON "('value', s." value ", 'unit', '" unit "', 'system', 'http://unitsofmeasure.org', 'code', '" ucum "'))"

static const char vital_signs[] =
	"SELECT s.patient_id, 5, s.vital_signs_id, 'Observation', 'vital-' || s.vital_signs_id,"
	" " JSON "('resourceType', 'Observation', 'id', 'vital-' || s.vital_signs_id, 'status', 'final',"
	" 'category', json_build_array(" FIXED_CONCEPT(TERMINOLOGY "observation-category", "vital-signs", "Vital Signs") "),"
	" 'code', " FIXED_CONCEPT("http://loinc.org", "85353-1", "Vital signs panel") ","
	" " OF_VISIT("s") ", 'effectiveDateTime', s.at,"
	" 'component', json_build_array("
	MEASURED("8310-5", "Body temperature", "temperature", "C", "Cel") ", "
	MEASURED("8867-4", "Heart rate", "pulse", "/min", "/min") ", "
	MEASURED("9279-1", "Respiratory rate", "respiration", "/min", "/min") ", "
	MEASURED("8480-6", "Systolic blood pressure", "systolic", "mmHg", "mm[Hg]") ", "
	MEASURED("8462-4", "Diastolic blood pressure", "diastolic", "mmHg", "mm[Hg]") ", "
	MEASURED("59408-5", "Oxygen saturation by pulse oximetry", "spo2", "%", "%") ", "
	JSON "('code', " JSON "('text', 'Consciousness (AVPU)'), 'valueString', s.consciousness), "
	JSON "('code', " JSON "('text', 'Triage Early Warning Score'), 'valueInteger', s.tews)))"
	" FROM v JOIN hospital.vital_signs s USING (visit_id)";

static const char claims[] =
	"SELECT b.patient_id, 6, b.billing_id, 'Claim', b.billing_id::text,"
	" " JSON "('resourceType', 'Claim', 'id', b.billing_id::text, 'status', 'active',"
	" 'type', " FIXED_CONCEPT(TERMINOLOGY "claim-type", "institutional", "Institutional") ", 'use', 'claim',"
	" 'patient', " REFERENCE("Patient", "b.patient_id") ", 'created', b.billing_date,"
	" 'provider', " JSON "('reference', 'Organization/hospital'),"
	" 'priority', " FIXED_CONCEPT(TERMINOLOGY "processpriority", "normal", "Normal") ","
	" 'diagnosis', (SELECT json_agg(" JSON "('sequence', d.place, 'diagnosisReference', "
	REFERENCE("Condition", "d.diagnosis_id") ") ORDER BY d.place) FROM (SELECT c.diagnosis_id,"
	" row_number() OVER (ORDER BY c.diagnosis_id) AS place FROM hospital.diagnoses c WHERE c.visit_id = b.visit_id) d),"
	" 'insurance', json_build_array(" JSON "('sequence', 1, 'focal', true, 'coverage', "
	JSON "('display', coalesce('medical scheme ' || p.insurance_id, 'none: class ' || b.patient_class)))),"
	" 'item', (SELECT json_agg(" JSON "('sequence', i.place, 'productOrService', " TEXT_CONCEPT("i.name") ", 'net', "
	RAND("i.amount") ", 'encounter', json_build_array(" REFERENCE("Encounter", "b.visit_id") ")) ORDER BY i.place)"
	" FROM (VALUES (1, 'consultation', b.consultation), (2, 'accommodation', b.accommodation), (3, 'procedures', b.procedures),"
	" (4, 'imaging', b.imaging), (5, 'laboratory', b.laboratory), (6, 'medicines', b.medicines), (7, 'other', b.other))"
	" AS i (place, name, amount) WHERE i.amount <> 0), 'total', " RAND("b.total_amount") ")"
	" FROM v JOIN hospital.billing_payments b USING (visit_id) JOIN hospital.patients p ON p.patient_id = b.patient_id";

static const char *const resources[] = {
	patients, encounters, conditions, medication_requests, laboratory, vital_signs, claims
};

static char *
bundles(void)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfoString(&query, "WITH v AS MATERIALIZED (SELECT * FROM hospital.visits WHERE " VISITS_OF_DAYS "), r AS (");
	for (int i = 0; i < (int) lengthof(resources); i++)
		appendStringInfo(&query, "%s%s", i > 0 ? " UNION ALL " : "", resources[i]);
	appendStringInfoString(&query, ") SELECT " JSON "('resourceType', 'Bundle', 'id', $1 || '-' || r.patient_id,"
						   " 'type', 'transaction', 'entry', json_agg(" JSON "('fullUrl', '" BASE "' || r.type || '/' || r.id,"
						   " 'resource', json_strip_nulls(r.resource), 'request', " JSON "('method', 'PUT', 'url', r.type || '/' || r.id))"
						   " ORDER BY r.place, r.number)), $1 FROM r GROUP BY r.patient_id ORDER BY r.patient_id");
	return query.data;
}

/*
 * A day changes with its visits, and with the files of all kinds from that day
 * until the last of its patients has left.
 */
static char *
states_of_days(void)
{
	return pstrdup("WITH l AS MATERIALIZED (SELECT b.day, md5(string_agg(b.state, ' ' ORDER BY b.state)) AS state FROM"
					" (SELECT b.day, concat_ws('/', b.batch_id, b.state, b.rows, b.rejects, b.merged, b.ingested_at, b.undone_at)"
					" AS state FROM hospital.batches b) b GROUP BY 1),"
					" d AS (SELECT " DAY_OF_VISIT " AS day, max(coalesce((left_at AT TIME ZONE 'Africa/Johannesburg')::date,"
					" '9999-12-31')) AS last, count(*) || ' ' || bit_xor(hashtextextended(v::text, 0)) AS state"
					" FROM hospital.visits v WHERE " VISITS_OF_DAYS " GROUP BY 1)"
					" SELECT d.day, d.state || coalesce(' ' || md5(string_agg(l.state, ' ' ORDER BY l.day)), '')"
					" FROM d LEFT JOIN l ON l.day BETWEEN d.day AND d.last GROUP BY d.day, d.state ORDER BY 1");
}

ExportSource *
export_fhir(const char *name)
{
	ExportSource *source = palloc0(sizeof(ExportSource));

	source->name = name;
	source->title = psprintf("fhir %s", name);
	source->documents = true;
	source->suffix = ".ndjson";
	if (strcmp(name, "practitioners") == 0)
	{
		source->rows = practitioners;
		return source;
	}
	source->rows = bundles();
	source->states = states_of_days();
	source->runs = true;
	source->run_days = 1;
	return source;
}

-- expected.sql: what the page must show, from the tables of facts alone, for the
-- period from first to last (whole months) and for one department, or all of them
-- where :'dep' is empty.  One JSON object: chart, rows in order, columns by name.
SET search_path = hospital, pg_catalog;
SET TIME ZONE 'Africa/Johannesburg';

CREATE TEMP VIEW d_visits AS SELECT v.* FROM visits v WHERE :'dep' IN ('', v.department_code);

CREATE TEMP TABLE want (chart text, place bigint, row jsonb);

-- rankings: twelve, the rest together
CREATE FUNCTION pg_temp.ranked(chart text, names text, label text, number text, from_what text, extra text DEFAULT '') RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($q$
        INSERT INTO want
        WITH r AS (SELECT %2$s AS id, %3$s AS label, %4$s AS n FROM %5$s GROUP BY 1),
        o AS (SELECT r.*, row_number() OVER (ORDER BY n DESC, id) AS p FROM r WHERE id IS NOT NULL)
        SELECT %1$L, p, jsonb_build_object('label', label, %6$L, n) FROM o WHERE p <= 12
        UNION ALL SELECT %1$L, 13, jsonb_build_object('label', 'other', %6$L, sum(n)) FROM o WHERE p > 12 HAVING count(*) > 0
        UNION ALL SELECT %1$L, 14, jsonb_build_object('label', label, %6$L, n) FROM r WHERE id IS NULL$q$,
        chart, names, label, number, from_what, extra);
END
$$;

SELECT pg_temp.ranked('diagnosis_distribution', 'd.code', 'max(d.description)', 'count(*)',
    format('diagnoses d JOIN d_visits v USING (visit_id) WHERE d.rank = ''primary'' AND (d.at)::date BETWEEN %L AND %L', :'first', :'last'), 'diagnoses') \g /dev/null
SELECT pg_temp.ranked('medication_usage', 'p.medicine_id', 'max(m.name)', 'count(*)',
    format('prescriptions p JOIN d_visits v USING (visit_id) JOIN medicines m USING (medicine_id) WHERE (p.prescribed_at)::date BETWEEN %L AND %L', :'first', :'last'), 'prescriptions') \g /dev/null
SELECT pg_temp.ranked('revenue_by_doctor', 'v.doctor_id', 'coalesce(max(s.first_name || '' '' || s.last_name), ''no doctor'')', 'sum(b.total_amount)',
    format('billing_payments b JOIN d_visits v USING (visit_id) LEFT JOIN staff s ON s.staff_id = v.doctor_id WHERE b.billing_date BETWEEN %L AND %L', :'first', :'last'), 'total_amount') \g /dev/null

INSERT INTO want
SELECT 'revenue_by_month', row_number() OVER (ORDER BY date_trunc('month', b.billing_date)),
       jsonb_build_object('month', date_trunc('month', b.billing_date)::date, 'bills', count(*), 'total_amount', sum(b.total_amount),
           'accommodation', sum(b.accommodation), 'laboratory', sum(b.laboratory), 'other', sum(b.other))
FROM billing_payments b JOIN d_visits v USING (visit_id)
WHERE b.billing_date BETWEEN :'first' AND :'last' GROUP BY date_trunc('month', b.billing_date);

INSERT INTO want
SELECT 'monthly_visit_stats', row_number() OVER (ORDER BY x.month, x.kind),
       jsonb_build_object('month', x.month, 'kind', x.kind, 'visits', sum(x.came), 'completed_visits', sum(x.left), 'total_cost', coalesce(sum(x.cost), 0))
FROM (SELECT date_trunc('month', visit_date)::date AS month, kind, 1 AS came, 0 AS left, 0 AS cost FROM d_visits
      UNION ALL SELECT date_trunc('month', left_at)::date, kind, 0, 1, total_cost FROM d_visits WHERE left_at IS NOT NULL) x
WHERE x.month BETWEEN :'first' AND :'last' GROUP BY x.month, x.kind;

INSERT INTO want
SELECT 'payment_status', row_number() OVER (ORDER BY b.patient_class, b.payment_status),
       jsonb_build_object('patient_class', b.patient_class, 'payment_status', b.payment_status, 'bills', count(*), 'total_amount', sum(b.total_amount))
FROM billing_payments b WHERE b.billing_date BETWEEN :'first' AND :'last' GROUP BY b.patient_class, b.payment_status;

INSERT INTO want
SELECT 'length_of_stay', row_number() OVER (ORDER BY a.admission_type),
       jsonb_build_object('admission_type', a.admission_type, 'stays', count(*),
           'under_1_day', count(*) FILTER (WHERE discharged_at - admitted_at < '24 hours'),
           'days_3_6', count(*) FILTER (WHERE discharged_at - admitted_at >= '72 hours' AND discharged_at - admitted_at < '168 hours'),
           'days_30_more', count(*) FILTER (WHERE discharged_at - admitted_at >= '720 hours'))
FROM admissions a
WHERE (a.discharged_at)::date BETWEEN :'first' AND :'last' AND :'dep' IN ('', a.department_code)
GROUP BY a.admission_type;

INSERT INTO want
SELECT 'readmissions', row_number() OVER (ORDER BY date_trunc('month', a.admitted_at)),
       jsonb_build_object('month', date_trunc('month', a.admitted_at)::date, 'admissions', count(*))
FROM admissions a
WHERE (a.admitted_at)::date BETWEEN :'first' AND :'last' AND :'dep' IN ('', a.department_code)
GROUP BY date_trunc('month', a.admitted_at);

INSERT INTO want
SELECT 'patient_age_distribution', row_number() OVER (ORDER BY a.band),
       jsonb_build_object('age_band', CASE a.band WHEN 17 THEN '85+' ELSE a.band * 5 || '-' || a.band * 5 + 4 END,
           'female', count(*) FILTER (WHERE a.gender = 'Female'), 'male', count(*) FILTER (WHERE a.gender = 'Male'))
FROM (SELECT least(17, extract(year FROM age(t.today, p.date_of_birth))::int / 5) AS band, p.gender
      FROM patients p, (SELECT max(day) AS today FROM batches WHERE state = 'ingested') t WHERE p.deceased_at IS NULL) a
GROUP BY a.band;

INSERT INTO want
SELECT 'patient_spending', min(b.place), jsonb_build_object('band', b.label, 'patients', count(*), 'total_amount', sum(s.amount))
FROM (SELECT b.patient_id, sum(b.total_amount) AS amount
      FROM billing_payments b, (SELECT least(:'last'::date, max(day)) AS to_day FROM batches WHERE state = 'ingested') t
      WHERE b.billing_date BETWEEN greatest(t.to_day - 30, :'first') AND t.to_day GROUP BY b.patient_id) s
JOIN (VALUES (1, 'nothing', -1e12, 0.005), (2, 'below R100', 0.005, 100), (3, 'R100 to R500', 100, 500), (4, 'R500 to R1,000', 500, 1000),
             (5, 'R1,000 to R5,000', 1000, 5000), (6, 'R5,000 to R20,000', 5000, 20000), (7, 'R20,000 to R100,000', 20000, 100000),
             (8, 'R100,000 and more', 100000, 1e15)) b (place, label, lo, hi) ON s.amount >= b.lo AND s.amount < b.hi
GROUP BY b.label;

-- who lies in a ward at an hour: where the last update before it put each patient
CREATE TEMP VIEW at_last AS
SELECT (least(:'last'::date, (SELECT max(day) FROM batches WHERE state = 'ingested'))::timestamp + '23 hours') AT TIME ZONE 'Africa/Johannesburg' AS at;
INSERT INTO want
SELECT 'ward_occupancy_now', row_number() OVER (ORDER BY count(*)::numeric / w.beds DESC, w.ward_code),
       jsonb_build_object('ward_code', w.ward_code, 'label', w.name, 'occupied', count(*), 'beds', w.beds)
FROM at_last t, admissions a
CROSS JOIN LATERAL (SELECT u.ward_code FROM status_updates u, at_last t
                    WHERE u.admission_id = a.admission_id AND u.recorded_at <= t.at
                    ORDER BY u.recorded_at DESC, u.update_id DESC LIMIT 1) u
JOIN wards w ON w.ward_code = u.ward_code
WHERE a.admitted_at <= t.at AND (a.discharged_at IS NULL OR a.discharged_at > t.at) AND :'dep' IN ('', w.department_code)
GROUP BY w.ward_code, w.name, w.beds;

INSERT INTO want
SELECT 'patient_journey', row_number() OVER (ORDER BY v.kind, coalesce(v.disposition, 'not over')),
       jsonb_build_object('kind', v.kind, 'disposition', coalesce(v.disposition, 'not over'), 'visits', count(*))
FROM d_visits v, (SELECT least(:'last'::date, max(day)) AS to_day FROM batches WHERE state = 'ingested') t
WHERE v.visit_date BETWEEN greatest(t.to_day - 30, :'first') AND t.to_day
GROUP BY v.kind, coalesce(v.disposition, 'not over');

-- doctors are chosen by their own department, whatever they did for others
SELECT pg_temp.ranked('doctor_performance', 'x.doctor_id', 'max(s.first_name || '' '' || s.last_name)', 'sum(x.n)',
    format($from$(SELECT v.doctor_id, 1 AS n FROM visits v WHERE v.visit_date BETWEEN %1$L AND %2$L
            UNION ALL SELECT v.doctor_id, 0 FROM visits v WHERE (v.left_at)::date BETWEEN %1$L AND %2$L
            UNION ALL SELECT p.doctor_id, 0 FROM prescriptions p WHERE (p.prescribed_at)::date BETWEEN %1$L AND %2$L
            UNION ALL SELECT v.doctor_id, 0 FROM billing_payments b JOIN visits v USING (visit_id) WHERE b.billing_date BETWEEN %1$L AND %2$L) x
        JOIN staff s ON s.staff_id = x.doctor_id WHERE %3$L IN ('', s.department_code)$from$, :'first', :'last', :'dep'), 'visits') \g /dev/null

SELECT pg_temp.ranked('doctors_by_specialization', $id$coalesce(p.name, CASE s.specialty WHEN 'ANA' THEN 'Anaesthesiology' WHEN 'RADI' THEN 'Radiology'
        WHEN 'NUC' THEN 'Nuclear Medicine' WHEN 'ROTATION' THEN 'Rotation' ELSE coalesce(s.specialty, 'none') END)$id$,
    'NULL::text', 'count(*) FILTER (WHERE s.left_on IS NULL OR s.left_on > t.today)',
    format($from$staff s LEFT JOIN department_plan p ON p.department_code = s.specialty,
        (SELECT max(day) AS today FROM batches WHERE state = 'ingested') t
        WHERE s.role IN (SELECT role FROM staff_roles WHERE category = 'medical') AND s.hired_on <= t.today AND %L IN ('', s.department_code)$from$, :'dep'),
    'doctors') \g /dev/null
UPDATE want SET row = row - 'label' WHERE chart = 'doctors_by_specialization' AND row ->> 'label' IS NULL;

INSERT INTO want
SELECT 'ed_waiting', array_position('{RED,ORANGE,YELLOW,GREEN,BLUE}', v.triage),
       jsonb_build_object('triage', v.triage, 'patients', count(*), 'minutes', sum(round(extract(epoch FROM d.at - v.arrived_at) / 60)),
           'within_target', count(*) FILTER (WHERE extract(epoch FROM d.at - v.arrived_at) <= t.target_minutes * 60), 'target_minutes', t.target_minutes)
FROM d_visits v JOIN diagnoses d ON d.visit_id = v.visit_id AND d.rank = 'primary' JOIN triage_sats t ON t.colour = v.triage
WHERE v.kind = 'emergency' AND (d.at)::date BETWEEN :'first' AND :'last' GROUP BY v.triage, t.target_minutes;

-- where each patient lay, and from when until when
CREATE TEMP TABLE lay AS
SELECT w.ward_code, w.department_code, u.recorded_at AS since, u.until
FROM (SELECT u.*, lead(u.recorded_at, 1, 'infinity') OVER (PARTITION BY u.admission_id ORDER BY u.recorded_at, u.update_id) AS until
      FROM status_updates u WHERE u.status IN ('admitted', 'moved', 'discharged', 'died', 'absconded', 'refused treatment', 'transferred out')) u
JOIN wards w USING (ward_code) WHERE u.status IN ('admitted', 'moved') AND :'dep' IN ('', w.department_code);

-- midnights that ended a day of which something is known; six departments, the rest together
INSERT INTO want
WITH nights AS (
    SELECT date_trunc('month', n.day)::date AS month, l.department_code, count(*) AS n
    FROM generate_series(:'first'::timestamp, least(:'last'::timestamp, (SELECT max(recorded_at)::date FROM status_updates)), interval '1 day') n (day)
    JOIN lay l ON l.since < (n.day + interval '1 day')::timestamptz AND l.until >= (n.day + interval '1 day')::timestamptz
    GROUP BY 1, 2
), places AS (
    SELECT department_code, least(7, row_number() OVER (ORDER BY sum(n) DESC, department_code)) AS place FROM nights GROUP BY department_code
)
SELECT 'bed_days', row_number() OVER (ORDER BY n.month, p.place),
       jsonb_build_object('month', n.month, 'label', CASE WHEN p.place = 7 THEN 'other' ELSE min(d.name) END, 'bed_days', sum(n.n))
FROM nights n JOIN places p USING (department_code) JOIN department_plan d USING (department_code) GROUP BY n.month, p.place;

-- the last fortnight of the period, by the hour, and all beds of wards where anybody lay
CREATE TEMP TABLE hours AS
SELECT h.at, l.ward_code, count(*) AS n
FROM at_last t, generate_series(greatest(t.at - interval '14 days' + interval '1 hour', :'first'::timestamptz), t.at, interval '1 hour') h (at)
JOIN lay l ON l.since <= h.at AND l.until > h.at GROUP BY h.at, l.ward_code;
INSERT INTO want
SELECT 'ward_occupancy_by_hour', row_number() OVER (ORDER BY h.at), jsonb_build_object('occupied', sum(h.n),
           'beds', (SELECT sum(w.beds) FROM wards w WHERE w.ward_code IN (SELECT ward_code FROM hours)))
FROM hours h GROUP BY h.at;

-- 31 days, at 10:00 and 22:00
INSERT INTO want
WITH shifts (shift, hour) AS (VALUES ('N12D', '10 hours'::interval), ('N12N', '22 hours')),
days AS (SELECT d.day::date AS day FROM at_last t, generate_series(greatest(t.at::date - 30, :'first'::date)::timestamp, t.at::date::timestamp, interval '1 day') d (day)),
need AS (
    SELECT d.day, s.shift, ceil(count(*) / CASE s.shift WHEN 'N12D' THEN p.patients_per_nurse_day ELSE p.patients_per_nurse_night END)::bigint AS n
    FROM days d CROSS JOIN shifts s
    JOIN lay l ON l.since <= (d.day + s.hour)::timestamptz AND l.until > (d.day + s.hour)::timestamptz
    JOIN ward_plan p USING (ward_code) GROUP BY d.day, s.shift, l.ward_code, p.patients_per_nurse_day, p.patients_per_nurse_night
), have AS (
    SELECT (a.starts_at)::date AS day, a.shift, count(*) AS n
    FROM staff_assignments a JOIN staff m USING (staff_id) JOIN wards w USING (ward_code)
    WHERE m.role IN (SELECT role FROM staff_roles WHERE category = 'nursing') AND :'dep' IN ('', w.department_code) GROUP BY 1, 2
)
SELECT 'staffing_against_need', row_number() OVER (ORDER BY d.day, s.shift),
       jsonb_build_object('day', d.day, 'shift', s.shift, 'nurses', coalesce(h.n, 0),
           'nurses_needed', coalesce((SELECT sum(n.n) FROM need n WHERE n.day = d.day AND n.shift = s.shift), 0))
FROM days d CROSS JOIN shifts s LEFT JOIN have h USING (day, shift)
WHERE h.n > 0 OR EXISTS (SELECT FROM need n WHERE n.day = d.day AND n.shift = s.shift);

SELECT jsonb_object_agg(w.chart, w.rows) FROM (SELECT chart, jsonb_agg(row ORDER BY place) AS rows FROM want GROUP BY chart) w;

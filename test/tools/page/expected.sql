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
FROM (SELECT patient_id, sum(total_amount) AS amount FROM billing_payments GROUP BY patient_id) s
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

SELECT jsonb_object_agg(w.chart, w.rows) FROM (SELECT chart, jsonb_agg(row ORDER BY place) AS rows FROM want GROUP BY chart) w;

/*
 * dashboard.js: the charts of the marts, and the page that keeps them current.
 *
 * Live, the data comes from "data" beside the page, by the filter; a snapshot
 * has it within itself and asks nobody.
 */
'use strict';

const TRIAGE = { RED: '#c43131', ORANGE: '#e0821f', YELLOW: '#d9b616', GREEN: '#3a9a4b', BLUE: '#3566bd' };
const PAYMENT = { Paid: '#2a9d78', Pending: '#d9b616', Unpaid: '#c2452d' };
const PARTS = ['consultation', 'accommodation', 'procedures', 'imaging', 'laboratory', 'medicines', 'other'];
const STAYS = [['under_1_day', '< 1'], ['days_1_2', '1-2'], ['days_3_6', '3-6'], ['days_7_13', '7-13'], ['days_14_29', '14-29'],
	['days_30_more', '30+']];
const KINDS = ['outpatient', 'emergency', 'elective', 'maternity', 'newborn', 'transfer in'];
const SHIFTS = { N12D: 'day', N12N: 'night' };

function inOrder(values, order) {
	const place = (v) => order.indexOf(v) < 0 ? order.length : order.indexOf(v);

	return unique(values).sort((a, b) => place(a) - place(b) || String(a).localeCompare(String(b)));
}

const isNarrow = () => window.innerWidth < 860;

/* Where a line begins and ends. */
function lastDays(rows, key, name) {
	return rows.length ? name(rows[0][key]) + ' to ' + name(rows[rows.length - 1][key]) : '';
}

function parts(data) { return data.filter.department ? 'not split by department' : ''; }

function members(rows, what) {
	const other = rows.find((row) => row.label === 'other');

	return other ? 'other: ' + integer.format(other.members) + ' ' + what : '';
}

const CHARTS = [
	{
		id: 'diagnosis_distribution', title: 'Diagnoses',
		note: (data, rows) => ['primary diagnoses', members(rows, 'more')].filter(Boolean).join('; '),
		columns: [['code', 'Code', 'text'], ['label', 'Diagnosis', 'text'], ['diagnoses', 'Diagnoses', 'count']],
		rows: (data) => data.charts.diagnosis_distribution, height: lying,
		option: (rows) => ranking(rows, { series: [{ key: 'diagnoses', name: 'Diagnoses', format: FORMATS.count, colour: COLOURS[0] }],
			label: (row) => row.code ? row.code + ' ' + row.label : row.label }),
	},
	{
		id: 'revenue_by_month', title: 'Revenue by month', note: 'what was billed, in rand, by part of the bill',
		columns: [['month', 'Month', 'month'], ['bills', 'Bills', 'count'], ['total_amount', 'Total', 'rand'],
			...PARTS.map((part) => [part, part[0].toUpperCase() + part.slice(1), 'rand'])],
		rows: (data) => data.charts.revenue_by_month,
		option: (rows) => stacked(rows.flatMap((row) => PARTS.map((part) => ({ month: row.month, part, amount: row[part] }))),
			{ x: 'month', of: 'part', value: 'amount', list: rows.map((row) => row.month), series: PARTS, format: FORMATS.rand }),
	},
	{
		id: 'revenue_by_doctor', title: 'Revenue by doctor', note: (data, rows) => ['bills of the doctor\'s visits, in rand', members(rows, 'more')].filter(Boolean).join('; '),
		columns: [['doctor_id', 'Number', 'text'], ['label', 'Doctor', 'text'], ['specialty', 'Specialty', 'text'],
			['bills', 'Bills', 'count'], ['total_amount', 'Total', 'rand']],
		rows: (data) => data.charts.revenue_by_doctor, height: (rows) => lying(rows, 2),
		option: (rows) => ranking(rows, { series: [{ key: 'total_amount', name: 'Rand', format: FORMATS.rand, colour: COLOURS[2] }] }),
	},
	{
		id: 'doctor_performance', title: 'Doctors by visits',
		note: (data, rows) => ['visits and prescriptions', members(rows, 'more')].filter(Boolean).join('; '),
		columns: [['doctor_id', 'Number', 'text'], ['label', 'Doctor', 'text'], ['role', 'Role', 'text'], ['visits', 'Visits', 'count'],
			['completed_visits', 'Completed', 'count'], ['minutes', 'Minutes', 'count'], ['prescriptions', 'Prescriptions', 'count'],
			['bills', 'Bills', 'count'], ['total_amount', 'Billed', 'rand']],
		rows: (data) => data.charts.doctor_performance, height: (rows) => lying(rows, 2),
		option: (rows) => ranking(rows, { series: [{ key: 'visits', name: 'Visits', format: FORMATS.count, colour: COLOURS[0] },
			{ key: 'prescriptions', name: 'Prescriptions', format: FORMATS.count, colour: COLOURS[1] }] }),
	},
	{
		id: 'monthly_visit_stats', title: 'Visits by month',
		note: (data, rows) => 'by kind; ' + integer.format(sum(rows, 'completed_visits')) + ' came to their end, after ' +
			decimal.format(sum(rows, 'minutes') / 60 / Math.max(1, sum(rows, 'completed_visits'))) + ' hours on average',
		columns: [['month', 'Month', 'month'], ['kind', 'Kind', 'text'], ['visits', 'Visits', 'count'],
			['completed_visits', 'Completed', 'count'], ['minutes', 'Minutes', 'count'], ['total_cost', 'Cost', 'rand']],
		rows: (data) => data.charts.monthly_visit_stats,
		option: (rows) => stacked(rows, { x: 'month', of: 'kind', value: 'visits', list: unique(rows.map((row) => row.month)),
			series: inOrder(rows.map((row) => row.kind), KINDS), format: FORMATS.count }),
	},
	{
		id: 'ward_occupancy_by_hour', title: 'Patients in beds, by the hour', wide: true,
		note: (data, rows) => lastDays(rows, 'at', hourName),
		columns: [['at', 'Hour', 'hour'], ['occupied', 'Patients', 'count'], ['beds', 'Beds', 'count']],
		rows: (data) => data.charts.ward_occupancy_by_hour,
		option: (rows) => frame({
			xAxis: times(rows.map((row) => row.at), hourName, { boundaryGap: false }),
			yAxis: values(null, { min: 0 }),
			tooltip: { trigger: 'axis', confine: true, backgroundColor: theme('card'), borderColor: theme('line'), textStyle: { color: theme('ink') } },
			series: [
				{ type: 'line', name: 'Patients', showSymbol: rows.length < 2, lineStyle: { width: 2 }, areaStyle: { opacity: 0.14 },
					data: rows.map((row) => row.occupied) },
				{ type: 'line', name: 'Beds', showSymbol: rows.length < 2, lineStyle: { width: 1.5, type: 'dashed', color: GREY },
					itemStyle: { color: GREY }, data: rows.map((row) => row.beds) }],
		}, { legend: true }),
	},
	{
		id: 'ward_occupancy_now', title: 'Wards at the last hour', wide: true,
		note: (data) => data.charts.ward_occupancy_by_hour.length
			? hourName(data.charts.ward_occupancy_by_hour[data.charts.ward_occupancy_by_hour.length - 1].at) + '; percent of the beds; empty wards are left out' : '',
		columns: [['ward_code', 'Ward', 'text'], ['label', 'Name', 'text'], ['occupied', 'Patients', 'count'], ['beds', 'Beds', 'count'],
			['percent', 'Full', 'percent']],
		rows: (data) => data.charts.ward_occupancy_now.map((row) => ({ ...row, percent: share(row.occupied, row.beds) })),
		height: (rows) => isNarrow() ? lying(rows) : PLOT,
		option: (rows) => {
			const percent = values((v) => v + ' %', { min: 0, max: (range) => Math.max(100, Math.ceil(range.max / 25) * 25), interval: 25 });
			const bars = [{ type: 'bar', name: 'Full', barMaxWidth: 22, tooltip: { valueFormatter: FORMATS.percent },
				data: rows.map((row) => ({ value: row.percent, itemStyle: { color: row.percent >= 95 ? '#c2452d' : row.percent >= 80 ? '#dd8a2c' : COLOURS[0] } })) }];

			/* so many names stand side by side on a wide screen alone */
			return isNarrow() ? frame({ xAxis: percent, yAxis: names(rows.map((row) => row.label), nameWidth()), series: bars }) : frame({
				xAxis: axis({ type: 'category', data: rows.map((row) => row.ward_code), splitLine: { show: false } },
					{ interval: 0, rotate: 90, hideOverlap: false, fontSize: 11 }),
				yAxis: percent, series: bars });
		},
	},
	{
		id: 'length_of_stay', title: 'Length of stay, in days',
		note: (data, rows) => rows.length ? decimal.format(sum(rows, 'hours') / 24 / Math.max(1, sum(rows, 'stays'))) +
			' days on average, of ' + integer.format(sum(rows, 'stays')) + ' stays that ended' : '',
		columns: [['admission_type', 'Way in', 'text'], ['stays', 'Stays', 'count'], ['hours', 'Hours', 'decimal'],
			...STAYS.map(([key, name]) => [key, name, 'count'])],
		rows: (data) => data.charts.length_of_stay,
		option: (rows) => {
			const ways = inOrder(rows.map((row) => row.admission_type), KINDS);

			return stacked(rows.flatMap((row) => STAYS.map(([key, name]) => ({ band: name, way: row.admission_type, n: row[key] }))),
				{ x: 'band', of: 'way', value: 'n', list: STAYS.map(([, name]) => name), series: ways, name: (band) => band, label: { interval: 0, hideOverlap: false },
					format: FORMATS.count, colours: (s) => COLOURS[KINDS.indexOf(s) % COLOURS.length] });
		},
	},
	{
		id: 'ed_waiting', title: 'Waiting in the emergency department', note: 'mean minutes until seen, by triage colour; the line is the target',
		columns: [['triage', 'Triage', 'text'], ['patients', 'Patients', 'count'], ['minutes', 'Minutes', 'count'], ['mean', 'Mean', 'decimal'],
			['target_minutes', 'Target', 'count'], ['within_target', 'Within target', 'count'], ['percent', 'Within target', 'percent']],
		rows: (data) => data.charts.ed_waiting.map((row) => ({ ...row, mean: row.patients ? row.minutes / row.patients : null,
			percent: share(row.within_target, row.patients) })),
		option: (rows) => frame({
			xAxis: times(rows.map((row) => row.triage), (t) => t),
			yAxis: values(),
			series: [
				{ type: 'bar', name: 'Mean', barMaxWidth: 54, tooltip: { valueFormatter: (v) => FORMATS.decimal(v) + ' minutes' },
					data: rows.map((row) => ({ value: row.mean, itemStyle: { color: TRIAGE[row.triage] || GREY } })) },
				{ type: 'scatter', name: 'Target', symbol: 'rect', symbolSize: [62, 4], itemStyle: { color: theme('ink') },
					tooltip: { valueFormatter: (v) => v + ' minutes' }, data: rows.map((row) => row.target_minutes) }],
		}),
	},
	{
		id: 'bed_days', title: 'Bed-days by month', note: 'by department',
		columns: [['month', 'Month', 'month'], ['label', 'Department', 'text'], ['bed_days', 'Bed-days', 'count']],
		rows: (data) => data.charts.bed_days,
		option: (rows) => stacked(rows, { x: 'month', of: 'label', value: 'bed_days', list: unique(rows.map((row) => row.month)),
			series: unique(rows.map((row) => row.label)).sort((a, b) => (a === 'other') - (b === 'other')), format: FORMATS.count }),
	},
	{
		id: 'readmissions', title: 'Readmissions within 30 days', note: 'percent of the month\'s admissions',
		columns: [['month', 'Month', 'month'], ['admissions', 'Admissions', 'count'], ['readmitted_30_days', 'Readmitted', 'count'],
			['percent', 'Share', 'percent']],
		rows: (data) => data.charts.readmissions.map((row) => ({ ...row, percent: share(row.readmitted_30_days, row.admissions) })),
		option: (rows) => frame({
			xAxis: times(rows.map((row) => row.month), monthName),
			yAxis: values((v) => v + ' %', { min: 0 }),
			series: [{ type: 'bar', name: 'Readmitted', barMaxWidth: 46, itemStyle: { color: COLOURS[3] },
				tooltip: { valueFormatter: FORMATS.percent }, data: rows.map((row) => row.percent) }],
		}),
	},
	{
		id: 'staffing_against_need', title: 'Nurses against need', note: (data, rows) => lastDays(rows, 'day', dayName) + (rows.length ? '; dashed: needed' : ''),
		columns: [['day', 'Day', 'text'], ['shift', 'Shift', 'text'], ['nurses', 'Nurses', 'count'], ['nurses_needed', 'Needed', 'count']],
		rows: (data) => data.charts.staffing_against_need,
		option: (rows) => {
			const days = unique(rows.map((row) => row.day)), shifts = unique(rows.map((row) => row.shift));
			const found = new Map(rows.map((row) => [row.day + row.shift, row]));

			return frame({
				xAxis: times(days, dayName, { boundaryGap: false }),
				yAxis: values(null, { min: 0 }),
				tooltip: { trigger: 'axis', confine: true, backgroundColor: theme('card'), borderColor: theme('line'), textStyle: { color: theme('ink') } },
				series: shifts.flatMap((shift, i) => [['nurses', '', 'solid'], ['nurses_needed', ' needed', 'dashed']].map(([key, suffix, type]) => (
					{ type: 'line', name: (SHIFTS[shift] || shift) + suffix, showSymbol: days.length < 2, itemStyle: { color: COLOURS[i % COLOURS.length] },
						lineStyle: { width: 2, type, color: COLOURS[i % COLOURS.length] },
						data: days.map((day) => found.get(day + shift)?.[key] ?? null) }))),
			}, { legend: true });
		},
	},
	{
		id: 'patient_age_distribution', title: 'Patients by age and sex', note: (data) => ['who has been here and is alive', parts(data)].filter(Boolean).join('; '),
		columns: [['age_band', 'Age', 'text'], ['female', 'Women and girls', 'count'], ['male', 'Men and boys', 'count']],
		rows: (data) => data.charts.patient_age_distribution, height: () => 380,
		option: (rows) => {
			const bands = [...rows].reverse();

			return frame({
				xAxis: values((v) => compact.format(Math.abs(v))),
				yAxis: axis({ type: 'category', data: bands.map((row) => row.age_band), inverse: true, splitLine: { show: false } },
					{ interval: 0, hideOverlap: false }),
				series: [['female', 'Women and girls', -1, COLOURS[3]], ['male', 'Men and boys', 1, COLOURS[2]]].map(([key, name, sign, color]) => (
					{ type: 'bar', name, stack: 'all', barMaxWidth: 16, itemStyle: { color }, data: bands.map((row) => sign * row[key]),
						tooltip: { valueFormatter: (v) => FORMATS.count(Math.abs(v)) } })),
			}, { legend: true });
		},
	},
	{
		id: 'medication_usage', title: 'Medicines', note: (data, rows) => ['prescriptions', members(rows, 'more')].filter(Boolean).join('; '),
		columns: [['medicine_id', 'Number', 'text'], ['label', 'Medicine', 'text'], ['prescriptions', 'Prescriptions', 'count'], ['quantity', 'Packs', 'count']],
		rows: (data) => data.charts.medication_usage, height: lying,
		option: (rows) => ranking(rows, { series: [{ key: 'prescriptions', name: 'Prescriptions', format: FORMATS.count, colour: COLOURS[1] }] }),
	},
	{
		id: 'payment_status', title: 'Payment by class of patient',
		note: (data) => ['bills; H0 pays nothing, P in full', parts(data)].filter(Boolean).join('; '),
		columns: [['patient_class', 'Class', 'text'], ['payment_status', 'Status', 'text'], ['bills', 'Bills', 'count'], ['total_amount', 'Total', 'rand']],
		rows: (data) => data.charts.payment_status,
		option: (rows) => stacked(rows, { x: 'patient_class', of: 'payment_status', value: 'bills', list: unique(rows.map((row) => row.patient_class)),
			series: inOrder(rows.map((row) => row.payment_status), Object.keys(PAYMENT)), name: (c) => c, format: FORMATS.count,
			colours: (s) => PAYMENT[s] || GREY }),
	},
	{
		id: 'patient_spending', title: 'Patients by what they were billed',
		note: (data) => ['in the last 31 days of the period', parts(data)].filter(Boolean).join('; '),
		columns: [['band', 'Billed', 'text'], ['patients', 'Patients', 'count'], ['total_amount', 'Total', 'rand'], ['paid', 'Paid', 'rand'],
			['pending', 'Pending', 'rand'], ['unpaid', 'Unpaid', 'rand']],
		rows: (data) => data.charts.patient_spending,
		option: (rows) => ranking(rows, { label: (row) => row.band, series: [{ key: 'patients', name: 'Patients', format: FORMATS.count, colour: COLOURS[4] }] }),
	},
	{
		id: 'patient_journey', title: 'How visits go', note: 'visits of the last 31 days of the period, by kind and by how they ended',
		columns: [['kind', 'Kind', 'text'], ['disposition', 'End', 'text'], ['visits', 'Visits', 'count']],
		rows: (data) => data.charts.patient_journey,
		option: (rows) => {
			const kinds = inOrder(rows.map((row) => row.kind), KINDS), of = new Map(kinds.map((kind) => [kind, sum(rows.filter((row) => row.kind === kind), 'visits')]));
			const ends = unique(rows.map((row) => row.disposition)).sort((a, b) =>
				sum(rows.filter((row) => row.disposition === b), 'visits') - sum(rows.filter((row) => row.disposition === a), 'visits'));
			const found = new Map(rows.map((row) => [row.kind + '\n' + row.disposition, row.visits]));

			return frame({
				xAxis: values((v) => v + ' %', { max: 100, interval: 25 }),
				yAxis: names(kinds, nameWidth()),
				series: ends.map((end, i) => ({ type: 'bar', stack: 'all', name: end, barMaxWidth: 24,
					itemStyle: { color: end === 'not over' ? '#c6ccd2' : COLOURS[i % COLOURS.length] },
					data: kinds.map((kind) => share(found.get(kind + '\n' + end) ?? 0, of.get(kind))), tooltip: { valueFormatter: FORMATS.percent } })),
			}, { legend: true });
		},
	},
	{
		id: 'doctors_by_specialization', title: 'Doctors by specialization', note: (data, rows) => ['employed on the last day', members(rows, 'more')].filter(Boolean).join('; '),
		columns: [['label', 'Field', 'text'], ['doctors', 'Doctors', 'count'], ['posts_vacated', 'Left or retired', 'count']],
		rows: (data) => data.charts.doctors_by_specialization, height: lying,
		option: (rows) => ranking(rows, { series: [{ key: 'doctors', name: 'Doctors', format: FORMATS.count, colour: COLOURS[5] }] }),
	},
];

/* ---- the page ---- */

const FRESH = 5000;              /* milliseconds between two questions, at least */
const PATIENCE = 20000;          /* for one answer */
const here = (id) => document.getElementById(id);
let shown = null;                /* the data that is drawn */
let asking = null;               /* the question that is under way */
let timer = null;

function showFigures(data) {
	const c = data.charts, beds = c.ward_occupancy_by_hour[c.ward_occupancy_by_hour.length - 1];
	const figures = [
		[FORMATS.count(sum(c.monthly_visit_stats, 'visits')), 'visits'],
		[FORMATS.count(sum(c.readmissions, 'admissions')), 'admissions'],
		[beds ? FORMATS.count(beds.occupied) + ' of ' + FORMATS.count(beds.beds) : '0', 'beds in use at the last hour'],
		[FORMATS.count(sum(c.medication_usage, 'prescriptions')), 'prescriptions'],
		[FORMATS.count(sum(c.revenue_by_month, 'bills')), 'bills'],
		['R ' + compact.format(sum(c.revenue_by_month, 'total_amount')), 'billed'],
	];

	here('figures').replaceChildren(...figures.map(([value, name]) => element('li', {}, element('b', {}, value), element('span', {}, name))));
}

function showState(data, broken) {
	const live = data && data.live;
	const words = !data ? 'no data'
		: live && live.hospital_time ? live.state + ', in the hospital it is ' + hourName(live.hospital_time) + ' ' + live.hospital_time.slice(0, 4)
			: data.last_day ? 'data until ' + dayName(data.last_day) : 'no days yet';

	here('state').textContent = words;
	here('state').className = 'state' + (broken ? ' broken' : live && live.state === 'running' ? ' running' : '');
}

function showPeriod(data) {
	const f = data.filter;

	if (!f.first_month) {
		here('period').textContent = 'No day has been ingested yet: charts appear as soon as one is.';
		return;
	}
	const months = monthName(f.first_month) + (f.last_month === f.first_month ? '' : ' to ' + monthName(f.last_month));
	const name = data.departments.find((d) => d.code === f.department);

	here('period').textContent = 'Figures by month are of whole months: ' + months + '; ' + (name ? name.name : 'all departments') +
		'. As of ' + data.made_at.slice(0, 19).replace('T', ' ') + '.';
}

function fillFilter(data) {
	const list = here('department');

	if (list.dataset.filled === undefined) {
		list.dataset.filled = '';
		list.replaceChildren(list.options[0], ...data.departments.map((d) => element('option', { value: d.code }, d.name)));
		list.value = data.filter.department || '';
	}
	for (const id of ['from', 'to']) {
		here(id).min = data.first_day || '';
		here(id).max = data.last_day || '';
	}
}

function draw(data) {
	shown = data;
	fillFilter(data);
	showFigures(data);
	showPeriod(data);
	for (const chart of CHARTS)
		drawCard(chart, data);
}

function complain(text) {
	here('banner').hidden = text === null;
	here('banner').textContent = text || '';
}

function question() {
	const asked = new URLSearchParams();

	for (const id of ['from', 'to', 'department'])
		if (here(id).value)
			asked.set(id, here(id).value);
	return asked.toString();
}

async function answer(asked, signal) {
	const reply = await fetch('data' + (asked ? '?' + asked : ''), { signal, cache: 'no-store' });
	const body = await reply.json();

	if (!reply.ok)
		throw new Error(body.error || 'the server answered ' + reply.status);
	return body;
}

/* Ask, draw, and ask again: never more than a tenth of the time is spent on it. */
async function refresh() {
	const asked = question(), began = performance.now();

	clearTimeout(timer);
	if (asking)
		asking.abort();
	const mine = asking = new AbortController();
	const impatient = setTimeout(() => mine.abort(), PATIENCE);

	try {
		const data = await answer(asked, mine.signal);

		if (mine !== asking)
			return;
		complain(null);
		draw(data);
		showState(data, false);
	} catch (error) {
		if (mine !== asking)
			return;
		const why = error.name === 'AbortError' ? 'no answer within ' + PATIENCE / 1000 + ' seconds'
			: error.name === 'TypeError' ? 'the page\'s server does not answer' : error.message;

		complain('The data cannot be had: ' + why + '. ' + (shown ? 'What is shown is of ' + shown.made_at.slice(11, 19) + '. ' : '') + 'Trying again.');
		showState(shown, true);
	} finally {
		clearTimeout(impatient);
		/* a page that nobody sees asks nobody */
		if (mine === asking && !document.hidden)
			timer = setTimeout(refresh, Math.max(FRESH, 9 * (performance.now() - began)));
	}
}

function filterChanged() {
	const from = here('from').value, to = here('to').value, wrong = from && to && from > to;

	here('to').setAttribute('aria-invalid', wrong ? 'true' : 'false');
	if (wrong) {
		complain('The period ends before it begins.');
		return;
	}
	history.replaceState(null, '', '?' + question());
	refresh();
}

function start() {
	here('cards').append(...CHARTS.map(makeCard));
	whenScreenChanges(() => { if (shown) draw(shown); });
	const data = inlineData();

	if (data) {
		here('filter').hidden = true;
		here('filter').style.display = 'none';
		draw(data);
		showState(data, false);
		return;
	}
	for (const [name, value] of new URLSearchParams(location.search))
		if (['from', 'to'].includes(name))
			here(name).value = value;
		else if (name === 'department') {
			/* its name comes with the data */
			here(name).append(element('option', { value }, value));
			here(name).value = value;
		}
	here('filter').addEventListener('change', filterChanged);
	here('filter').addEventListener('submit', (event) => event.preventDefault());
	here('filter').addEventListener('reset', () => setTimeout(filterChanged));
	document.addEventListener('visibilitychange', () => { if (document.hidden) clearTimeout(timer); else refresh(); });
	refresh();
}

start();

/*
 * report.js: the validation report: what hospital_validate compared, file and
 * stream day by day, and how far each measure is from its target.
 */
'use strict';

const GOOD = '#2a9d78', BAD = '#c2452d';
const judged = (row) => row.ok === null ? 'none' : row.ok ? 'good' : 'bad';
const words = (ok) => ok === null ? 'not measured' : ok ? 'as it should be' : 'not as it should be';
const withWords = (rows) => rows.map((row) => ({ ...row, verdict: words(row.ok) }));

/* A measure in tolerances from its target: 1 is the edge, if it is not a sample. */
function inTolerances(row) {
	if (row.off === null)
		return null;
	return row.allowed > 0 ? row.off / row.allowed : row.ok ? 0 : row.off > 0 ? 3 : -3;
}

const SHARES = [['triage_share', 'Triage of emergencies'], ['patient_class_share', 'Patients by class'], ['language_share', 'Home languages'],
	['population_group_share', 'Population groups'], ['region_share', 'Regions of the city']];

const TRUTH = [{
	id: 'validation', title: 'Checks', wide: true,
	note: 'records that ought to be there and those that are; references that lead somewhere; files, lines, rejects and faults put in on purpose',
	columns: [['check_name', 'Check', 'text'], ['expected', 'Expected', 'count'], ['found', 'Found', 'count'], ['missing', 'Missing', 'count'],
		['duplicated', 'Twice', 'count'], ['altered', 'Altered', 'count'], ['verdict', '', 'text', judged]],
	rows: (data) => withWords(data.validation), height: (rows) => Math.max(220, rows.length * 24 + 50),
	/* a logarithm, for there are a hundred transfers and a million references; it has no place for 0 */
	option: (rows) => frame({
		xAxis: axis({ type: 'log', min: 1 }, { formatter: (v) => compact.format(v) }),
		yAxis: names(rows.map((row) => row.check_name), nameWidth()),
		series: [
			{ type: 'bar', name: 'Expected', barMaxWidth: 9, barGap: '0%', itemStyle: { color: '#b9c3cd' }, tooltip: { valueFormatter: FORMATS.count },
				data: rows.map((row) => row.expected > 0 ? row.expected : null) },
			{ type: 'bar', name: 'Found', barMaxWidth: 9, itemStyle: { color: GOOD }, tooltip: { valueFormatter: FORMATS.count },
				data: rows.map((row) => ({ value: row.found > 0 ? row.found : null, itemStyle: { color: row.ok ? GOOD : BAD } })) }],
	}, { legend: true }),
}];

const DAYS = [{
	id: 'files', title: 'Day files', note: 'rows and rejects of the files of each day, against the records that were written',
	columns: [['day', 'Day', 'text'], ['written', 'Written', 'count'], ['rows', 'Rows', 'count'], ['rejects', 'Rejects', 'count'], ['state', '', 'text']],
	rows: (data) => data.days.map((row) => ({ ...row, state: row.closed ? 'closed' : 'open' })),
	option: (rows) => frame({
		xAxis: times(rows.map((row) => row.day), dayName),
		yAxis: values(),
		series: [
			{ type: 'line', stack: 'all', name: 'Rows', showSymbol: rows.length < 2, areaStyle: { opacity: 0.25 }, itemStyle: { color: COLOURS[0] },
				data: rows.map((row) => row.rows), tooltip: { valueFormatter: FORMATS.count } },
			{ type: 'line', stack: 'all', name: 'Rejects', showSymbol: rows.length < 2, areaStyle: { opacity: 0.5 }, itemStyle: { color: BAD },
				lineStyle: { width: 1 }, data: rows.map((row) => row.rejects), tooltip: { valueFormatter: FORMATS.count } },
			{ type: 'line', name: 'Written', showSymbol: rows.length < 2, lineStyle: { width: 1.5, type: 'dashed', color: GREY }, itemStyle: { color: GREY },
				data: rows.map((row) => row.written), tooltip: { valueFormatter: FORMATS.count } }],
	}, { legend: true }),
}, {
	id: 'events', title: 'Stream', note: 'events that were published for each day, and those that have arrived',
	columns: [['day', 'Day', 'text'], ['events', 'Published', 'count'], ['arrived', 'Arrived', 'count'], ['gone', 'Of a former broker', 'count'],
		['stream_rejects', 'Rejects', 'count']],
	rows: (data) => data.days.filter((row) => row.events > 0),
	option: (rows) => frame({
		xAxis: times(rows.map((row) => row.day), dayName),
		yAxis: values(),
		series: [
			{ type: 'bar', name: 'Published', barGap: '0%', itemStyle: { color: '#b9c3cd' }, data: rows.map((row) => row.events), tooltip: { valueFormatter: FORMATS.count } },
			{ type: 'bar', name: 'Arrived', itemStyle: { color: GOOD }, data: rows.map((row) => row.arrived), tooltip: { valueFormatter: FORMATS.count } }],
	}, { legend: true }),
}, {
	id: 'ledger', title: 'The stream\'s ledger', wide: true, note: 'every message of a committed range is a row, a reject or a counted duplicate, and ranges chain',
	columns: [['check_name', 'Check', 'text'], ['expected', 'Expected', 'count'], ['found', 'Found', 'count'], ['verdict', '', 'text', judged]],
	rows: (data) => withWords(data.stream), height: (rows) => Math.max(160, rows.length * 26 + 50),
	option: (rows) => frame({
		xAxis: axis({ type: 'log', min: 1 }, { formatter: (v) => compact.format(v) }),
		yAxis: names(rows.map((row) => row.check_name), nameWidth()),
		series: [
			{ type: 'bar', name: 'Expected', barMaxWidth: 9, barGap: '0%', itemStyle: { color: '#b9c3cd' }, data: rows.map((row) => row.expected > 0 ? row.expected : null) },
			{ type: 'bar', name: 'Found', barMaxWidth: 9, itemStyle: { color: GOOD },
				data: rows.map((row) => ({ value: row.found > 0 ? row.found : null, itemStyle: { color: row.ok ? GOOD : BAD } })) }],
	}, { legend: true }),
}];

const REALISM = [{
	id: 'targets', title: 'Measures and their targets', wide: true,
	note: 'each dot is a measure, in tolerances from its target: between the lines is as it should be; a sample may be three standard errors off; those further than 3 are drawn at 3',
	columns: [['metric', 'Measure', 'text'], ['scope', 'Of', 'text'], ['target', 'Target', 'text'], ['tolerance', 'Tolerance', 'text'],
		['measured', 'Measured', 'text'], ['verdict', '', 'text', judged], ['note', 'Measured on', 'text']],
	rows: (data) => withWords(data.targets), nothing: (rows) => rows.every((row) => row.off === null),
	height: (rows) => rows.filter((row) => row.off !== null).length * 21 + 60,
	option: (rows) => {
		const measured = rows.filter((row) => row.off !== null);

		return frame({
			xAxis: values((v) => (v > 0 ? '+' : '') + v, { min: -3, max: 3, interval: 1 }),
			yAxis: names(measured.map((row) => row.metric.replaceAll('_', ' ') + ', ' + row.scope), Math.max(110, Math.min(420, window.innerWidth * 0.4))),
			tooltip: { trigger: 'item', confine: true, backgroundColor: theme('card'), borderColor: theme('line'), textStyle: { color: theme('ink') } },
			series: [{ type: 'scatter', name: 'Off by, in tolerances', symbolSize: 10, tooltip: { valueFormatter: (v) => FORMATS.decimal(Array.isArray(v) ? v[0] : v) },
				data: measured.map((row, i) => ({ value: [Math.max(-3, Math.min(3, inTolerances(row))), i], itemStyle: { color: row.ok ? GOOD : BAD } })),
				markLine: { silent: true, symbol: 'none', label: { show: false }, lineStyle: { color: GREY, type: 'dashed' }, data: [{ xAxis: -1 }, { xAxis: 1 }] } }],
		});
	},
}, ...SHARES.map(([metric, title]) => ({
	id: metric, title, note: 'percent, against the target',
	columns: [['scope', 'Of', 'text'], ['target_percent', 'Target', 'percent'], ['percent', 'Measured', 'percent'], ['verdict', '', 'text', judged]],
	rows: (data) => withWords(data.targets.filter((row) => row.metric === metric && row.measured !== null)
		.map((row) => ({ ...row, target_percent: 100 * row.target, percent: 100 * row.measured }))),
	option: (rows) => frame({
		xAxis: values((v) => v + ' %'),
		yAxis: names(rows.map((row) => row.scope), nameWidth()),
		series: [
			{ type: 'bar', name: 'Target', barMaxWidth: 26, barGap: '0%', itemStyle: { color: '#b9c3cd' }, data: rows.map((row) => row.target_percent), tooltip: { valueFormatter: FORMATS.percent } },
			{ type: 'bar', name: 'Measured', barMaxWidth: 26, itemStyle: { color: GOOD }, tooltip: { valueFormatter: FORMATS.percent },
				data: rows.map((row) => ({ value: row.percent, itemStyle: { color: row.ok ? GOOD : BAD } })) }],
	}, { legend: true }),
}))];

const here = (id) => document.getElementById(id);

function showSummary(data) {
	const failed = [...data.validation, ...data.stream].filter((row) => row.ok === false).length;
	const off = data.targets.filter((row) => row.ok === false).length, measured = data.targets.filter((row) => row.ok !== null).length;
	const h = data.hospital;

	here('verdict').textContent = failed === 0 ? 'as it was generated, without exception' : failed + (failed === 1 ? ' check is' : ' checks are') + ' not as they should be';
	here('verdict').className = 'state ' + (failed === 0 ? 'running' : 'broken');
	here('about').textContent = h.name + ': ' + integer.format(h.people) + ' people, ' + integer.format(h.beds) + ' beds, seed ' + h.seed + '; ' +
		(data.from_day ? dayName(data.from_day) + ' to ' + dayName(data.to_day) : 'no day has been ingested') + '. As of ' + data.made_at.slice(0, 19).replace('T', ' ') + '.';
	const figures = [
		[integer.format(data.validation.filter((row) => row.ok).length) + ' of ' + data.validation.length, 'checks as they should be'],
		[integer.format(sum(data.validation, 'missing')), 'missing'],
		[integer.format(sum(data.validation, 'duplicated')), 'twice'],
		[integer.format(sum(data.validation, 'altered')), 'altered'],
		[integer.format(data.days.filter((row) => row.closed).length) + ' of ' + integer.format(data.days.length), 'days closed'],
		[integer.format(measured - off) + ' of ' + integer.format(measured), 'measures at their target'],
	];

	here('figures').replaceChildren(...figures.map(([value, name]) => element('li', {}, element('b', {}, value), element('span', {}, name))));
}

function draw(data) {
	showSummary(data);
	for (const chart of [...TRUTH, ...DAYS, ...REALISM])
		drawCard(chart, data);
}

function start() {
	const data = inlineData();

	for (const [id, charts] of [['truth', TRUTH], ['days', DAYS], ['realism', REALISM]])
		here(id).append(...charts.map(makeCard));
	/* the rows are the report: they need no click */
	for (const id of ['validation', 'targets'])
		document.querySelector('#card-' + id + ' details').open = true;
	document.querySelectorAll('details[open] .scroll').forEach((one) => one.classList.add('open'));
	whenScreenChanges(() => draw(data));
	draw(data);
}

start();

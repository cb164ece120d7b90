/*
 * charts.js: what the dashboard and the report have in common: a card with a
 * plot, its numbers as a table, and what is shown when there is nothing.
 *
 * A chart is described by an object: id, title, note (text or function of the
 * data), columns ([key, heading, format] of the table), rows (function of the
 * data), option (function of the rows: an ECharts option) and, where it depends
 * on them, height.  The numbers that are drawn are those of the table.
 */
'use strict';

const COLOURS = ['#2f6db3', '#dd8a2c', '#2a9d78', '#8a5aab', '#57b2d3', '#c2452d', '#cda71b', '#8b95a0'];
const GREY = '#8b95a0';
const integer = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });
const decimal = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });
const money = new Intl.NumberFormat('en-GB', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumFractionDigits: 1 });

const FORMATS = {
	text: (v) => v === null || v === undefined ? '' : String(v),
	count: (v) => v === null || v === undefined ? '' : integer.format(v),
	decimal: (v) => v === null || v === undefined ? '' : decimal.format(v),
	rand: (v) => v === null || v === undefined ? '' : 'R ' + money.format(v),
	percent: (v) => v === null || v === undefined ? '' : decimal.format(v) + ' %',
	month: (v) => monthName(v),
	hour: (v) => hourName(v),
};

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
function monthName(day) { return MONTHS[Number(day.slice(5, 7)) - 1] + ' ' + day.slice(0, 4); }
function dayName(day) { return Number(day.slice(8, 10)) + ' ' + monthName(day); }
/* As the hospital's clock shows it: the value carries that zone's offset. */
function hourName(at) { return Number(at.slice(8, 10)) + ' ' + MONTHS[Number(at.slice(5, 7)) - 1] + ' ' + at.slice(11, 16); }

function sum(rows, key) { return rows.reduce((total, row) => total + Number(row[key] || 0), 0); }
function unique(values) { return [...new Set(values)]; }
function share(part, whole) { return whole > 0 ? 100 * part / whole : null; }
function theme(name) { return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim(); }

function element(tag, attributes, ...children) {
	const node = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes || {}))
		if (value !== null && value !== undefined && value !== false)
			node.setAttribute(name, value === true ? '' : value);
	node.append(...children);
	return node;
}

/* ---- what all plots share ---- */

function frame(option, { legend = false, top = legend ? 40 : 12, right = 22 } = {}) {
	return {
		animation: false,
		color: COLOURS,
		textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: theme('ink') },
		grid: { left: 6, right, top, bottom: 8, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
		tooltip: { trigger: 'axis', axisPointer: { type: 'shadow' }, confine: true,
			backgroundColor: theme('card'), borderColor: theme('line'), textStyle: { color: theme('ink') } },
		...(legend ? { legend: { top: 2, left: 0, right: 0, itemWidth: 14, itemHeight: 10, itemGap: 12, textStyle: { color: theme('ink') } } } : {}),
		...option,
	};
}

/* Under its legend, which takes as many lines as its names need in this width. */
function placeBelowLegend(option, width) {
	if (!option.legend)
		return option;
	let lines = 1, used = 0;

	for (const one of option.series) {
		const needs = 14 + 5 + textWidth(one.name, option.textStyle.fontFamily) + 12;

		if (used > 0 && used + needs > width) {
			lines++;
			used = 0;
		}
		used += needs;
	}
	option.grid.top = 20 + 22 * lines;
	return option;
}

const ruler = document.createElement('canvas').getContext('2d');
function textWidth(text, family) {
	ruler.font = '12px ' + family;
	return ruler.measureText(text).width * 1.05;
}

function axis(extra, label) {
	return {
		axisLine: { lineStyle: { color: theme('line') } },
		axisTick: { show: false },
		splitLine: { lineStyle: { color: theme('line') } },
		...extra,
		axisLabel: { color: theme('soft'), hideOverlap: true, ...label },
	};
}

function values(format, extra, label) {
	return axis({ type: 'value', splitNumber: 4, ...extra }, { formatter: format || ((v) => compact.format(v)), ...label });
}

/* Names at the left, the first at the top; long ones are cut, the table has them whole. */
function names(list, width) {
	return axis({ type: 'category', data: list, inverse: true, splitLine: { show: false } },
		{ interval: 0, width, overflow: 'truncate', hideOverlap: false, color: theme('ink') });
}

function times(list, name, extra, label) {
	/* where the first and the last stand at the very edge, their texts keep inside */
	const edges = extra && extra.boundaryGap === false ? { alignMinLabel: 'left', alignMaxLabel: 'right' } : {};

	return axis({ type: 'category', data: list, splitLine: { show: false }, ...extra }, { formatter: name, ...edges, ...label });
}

/* The width that names may take, on this screen. */
function nameWidth() { return Math.max(90, Math.min(210, window.innerWidth * 0.3)); }

/* Two may have one name: then their numbers are there, too. */
function distinct(rows, label) {
	const list = rows.map(label);

	return list.map((name, i) => list.indexOf(name) === list.lastIndexOf(name) ? name : name + ' ' + (rows[i].doctor_id ?? rows[i].medicine_id ?? i + 1));
}

const isRest = (row) => row.label === 'other' || row.label === 'no doctor';

/*
 * Bars lying down, one row a name, with the numbers at their ends.  What is not a
 * name of its own is grey; where it would leave no room to compare the others, its
 * bar is cut, hatched, and says so.
 */
function ranking(rows, { label, series }) {
	const most = (list) => Math.max(0, ...list.flatMap((row) => series.map((one) => Number(row[one.key]))));
	const named = most(rows.filter((row) => !isRest(row)));
	const edge = named > 0 && most(rows.filter(isRest)) > 1.4 * named ? 1.25 * named : null;
	const bar = (row, one) => {
		const cut = edge !== null && row[one.key] > edge;

		return { value: row[one.key],
			itemStyle: { color: cut ? '#66717c' : isRest(row) ? GREY : one.colour,
				decal: cut ? { symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 6], rotation: -Math.PI / 4, color: 'rgba(255, 255, 255, 0.14)' } : { symbol: 'none' } },
			label: cut ? { position: 'insideLeft', formatter: compact.format(row[one.key]) + ' (bar cut)', color: '#ffffff' }
				: { position: 'right', formatter: compact.format(row[one.key]), color: theme('soft') } };
	};

	return frame({
		xAxis: values(null, { max: edge }, { showMaxLabel: edge === null ? null : false }),
		yAxis: names(distinct(rows, label || ((row) => row.label)), nameWidth()),
		series: series.map((one) => ({ type: 'bar', name: one.name, barMaxWidth: 20, barGap: '10%', barCategoryGap: '28%', itemStyle: { color: one.colour },
			label: { show: true, fontSize: 11 }, data: rows.map((row) => bar(row, one)), tooltip: { valueFormatter: one.format } })),
	}, { legend: series.length > 1, right: 48 });
}

/* Rows (x, of, value) as bars that stand on each other, in the order of both lists. */
function stacked(rows, { x, of, value, list, series, name = monthName, format, colours, label }) {
	const found = new Map(rows.map((row) => [row[x] + '\n' + row[of], row[value]]));

	return frame({
		xAxis: times(list, name, {}, label),
		yAxis: values(),
		series: series.map((s, i) => ({ type: 'bar', stack: 'all', name: s, barMaxWidth: 46,
			itemStyle: { color: colours ? colours(s, i) : s === 'other' ? GREY : COLOURS[i % COLOURS.length] },
			data: list.map((at) => found.get(at + '\n' + s) ?? 0), tooltip: { valueFormatter: format } })),
	}, { legend: true });
}

/* ---- a card ---- */

/* By id: the ECharts instance, for those who look at what is drawn. */
const drawn = {};

function makeCard(chart) {
	const title = element('h2', { id: 'title-' + chart.id }, chart.title);

	return element('section', { class: 'card' + (chart.wide ? ' wide' : ''), id: 'card-' + chart.id, 'aria-labelledby': 'title-' + chart.id },
		title, element('p', { class: 'about' }), element('div', { class: 'hold' }),
		element('details', {}, element('summary', {}, 'Numbers'), element('div', { class: 'scroll', tabindex: '0' })));
}

function fillTable(card, chart, rows) {
	const head = element('tr', {}, ...chart.columns.map(([, heading, format]) =>
		element('th', { scope: 'col', class: isNumber(format) ? 'n' : null }, heading)));
	const body = rows.map((row) => element('tr', {}, ...chart.columns.map(([key, , format, classOf]) =>
		element('td', { class: classOf ? classOf(row) : isNumber(format) ? 'n' : null, 'data-key': key, 'data-value': row[key] ?? '' },
			FORMATS[format](row[key])))));

	card.querySelector('.scroll').replaceChildren(element('table', { 'aria-label': chart.title },
		element('thead', {}, head), element('tbody', {}, ...body)));
}

function isNumber(format) { return ['count', 'decimal', 'rand', 'percent'].includes(format); }

function clearPlot(id) {
	if (drawn[id]) {
		drawn[id].dispose();
		delete drawn[id];
	}
}

function drawCard(chart, data) {
	const card = document.getElementById('card-' + chart.id);
	const rows = chart.rows(data);
	const about = typeof chart.note === 'function' ? chart.note(data, rows) : chart.note || '';
	const hold = card.querySelector('.hold');

	card.querySelector('.about').textContent = about;
	fillTable(card, chart, rows);
	card.querySelector('details').hidden = rows.length === 0;
	if (rows.length === 0 || (chart.nothing && chart.nothing(rows))) {
		clearPlot(chart.id);
		hold.replaceChildren(element('div', { class: 'empty' }, 'Nothing in this period'));
		return;
	}
	const height = chart.height ? chart.height(rows) : PLOT;

	if (!drawn[chart.id]) {
		const plot = element('div', { class: 'plot', role: 'img' });

		hold.replaceChildren(plot);
		plot.style.height = height + 'px';
		drawn[chart.id] = echarts.init(plot, null, { renderer: 'svg' });
	}
	const plot = hold.firstElementChild;

	plot.setAttribute('aria-label', chart.title + (about ? ': ' + about : '') + '. The numbers are in the table below.');
	if (plot.style.height !== height + 'px') {
		plot.style.height = height + 'px';
		drawn[chart.id].resize();
	}
	drawn[chart.id].setOption(placeBelowLegend(chart.option(rows, data), plot.clientWidth), { notMerge: true });
}

/* So high a plot is; so much room names need. */
const PLOT = 340;
const lying = (rows, bars = 1) => Math.max(PLOT, rows.length * (11 + 14 * bars) + 44);

/* Draw again what depends on the width or the colours of the screen. */
function whenScreenChanges(redraw) {
	let waiting = null;
	const later = () => {
		clearTimeout(waiting);
		waiting = setTimeout(() => { Object.values(drawn).forEach((one) => one.resize()); redraw(); }, 120);
	};

	window.addEventListener('resize', later);
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', later);
}

function inlineData() {
	const text = document.getElementById('data').textContent.trim();

	return text === '' ? null : JSON.parse(text);
}

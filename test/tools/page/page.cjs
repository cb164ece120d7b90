/*
 * page.cjs: the dashboard and the report in a browser without a window.
 *
 * From the environment: PAGE, the address; EXPECTED_ALL, EXPECTED_SOME: files with
 * what expected.sql says for all days and for FILTER (from to department);
 * SNAPSHOT, REPORT: files of page.py; CONTROL: a program that is told "page off",
 * "page on", "a day"; SHOTS: a folder for pictures; CHROMIUM.
 * Prints a line a check; ends with 1 when one has failed.
 */
const { chromium } = require('playwright-core');
const { execFileSync } = require('child_process');
const fs = require('fs');

const env = process.env;
const PATIENCE = 30000;
let failures = 0;

function check(what, ok, detail) {
	console.log((ok ? 'ok      ' : 'FAILED  ') + what + (ok || detail === undefined ? '' : ': ' + detail));
	if (!ok)
		failures++;
}
const control = (what) => execFileSync(env.CONTROL, [what], { stdio: ['ignore', 'inherit', 'inherit'] });

/* A page whose every request and complaint is kept. */
async function open(browser, url, options = {}) {
	const page = await browser.newPage({ viewport: { width: 1360, height: 900 }, ...options });

	page.asked = [];
	page.complaints = [];
	page.on('request', (r) => { if (!r.url().startsWith('data:')) page.asked.push(r.url()); });
	page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) page.complaints.push(m.text()); });
	page.on('pageerror', (e) => page.complaints.push(String(e)));
	page.setDefaultTimeout(PATIENCE);
	await page.goto(url);
	await page.waitForFunction(() => Object.keys(drawn).length > 0);
	return page;
}

/* What the tables under the charts say: rows of columns by name. */
function tables(page) {
	return page.evaluate(() => Object.fromEntries([...document.querySelectorAll('.card')].map((card) => [card.id.slice(5),
		[...card.querySelectorAll('tbody tr')].map((tr) => Object.fromEntries([...tr.children].map((td) => [td.dataset.key, td.dataset.value])))])));
}

/* What is drawn: the numbers of each series. */
function series(page) {
	return page.evaluate(() => Object.fromEntries(Object.entries(drawn).map(([id, one]) => [id, one.getOption().series.map((s) =>
		({ name: s.name, type: s.type, data: s.data.map((d) => d !== null && typeof d === 'object' && !Array.isArray(d) ? d.value : d) }))])));
}

function same(got, want) {
	if (typeof want === 'number')
		return got !== '' && Math.abs(Number(got) - want) <= 0.005 + Math.abs(want) * 1e-12;
	return String(got) === String(want);
}

function compare(name, got, want) {
	for (const [chart, rows] of Object.entries(want)) {
		const shown = got[chart] || [];
		let wrong = shown.length === rows.length ? null : shown.length + ' rows instead of ' + rows.length;

		rows.forEach((row, i) => {
			for (const [key, value] of Object.entries(row))
				if (!wrong && !same(shown[i][key], value))
					wrong = 'row ' + (i + 1) + ', ' + key + ' is ' + shown[i][key] + ' instead of ' + value;
		});
		check(name + ': ' + chart + ' is what the facts say', wrong === null, wrong);
	}
}

const column = (rows, key) => rows.map((row) => Number(row[key]));
const total = (list) => list.reduce((a, b) => a + Number(b || 0), 0);
const near = (a, b) => Math.abs(a - b) <= 0.01 + Math.abs(b) * 1e-9;

/* The bars are as long as the table says. */
function drawnAsWritten(name, drawnNow, table) {
	const direct = [['diagnosis_distribution', 'diagnoses'], ['revenue_by_doctor', 'total_amount'], ['medication_usage', 'prescriptions'],
		['doctors_by_specialization', 'doctors'], ['patient_spending', 'patients'], ['doctor_performance', 'visits'], ['ward_occupancy_by_hour', 'occupied']];

	for (const [chart, key] of direct)
		if (table[chart].length)
			check(name + ': ' + chart + ' is drawn as it is written',
				JSON.stringify(drawnNow[chart][0].data.map(Number)) === JSON.stringify(column(table[chart], key)));
	for (const [chart, keys] of [['revenue_by_month', ['total_amount']], ['monthly_visit_stats', ['visits']], ['bed_days', ['bed_days']], ['payment_status', ['bills']],
		['length_of_stay', ['under_1_day', 'days_1_2', 'days_3_6', 'days_7_13', 'days_14_29', 'days_30_more']]])
		if (table[chart].length)
			check(name + ': the bars of ' + chart + ' add up', near(total(drawnNow[chart].flatMap((s) => s.data)), total(keys.flatMap((k) => column(table[chart], k)))));
}

async function inOrderOfTime(name, page) {
	const wrong = await page.evaluate(() => Object.entries(drawn).filter(([, one]) => {
		const list = (one.getOption().xAxis[0].data || []).filter((x) => /^\d{4}-\d\d-\d\d/.test(x));

		return list.some((x, i) => i > 0 && list[i - 1] >= x);
	}).map(([id]) => id));

	check(name + ': months, days and hours are in order', wrong.length === 0, wrong);
}

/* No text of a chart lies over another, or outside of it. */
async function labelsApart(name, page) {
	const wrong = await page.evaluate(() => {
		const found = [];

		for (const plot of document.querySelectorAll('.plot')) {
			const edge = plot.getBoundingClientRect();
			const texts = [...plot.querySelectorAll('svg text')].filter((t) => t.textContent.trim() !== '').map((t) => ({ text: t.textContent, box: t.getBoundingClientRect() }))
				.filter((t) => t.box.width > 0);

			texts.forEach((a, i) => {
				if (a.box.left < edge.left - 1 || a.box.right > edge.right + 1 || a.box.top < edge.top - 2 || a.box.bottom > edge.bottom + 2)
					found.push(plot.closest('.card').id + ': "' + a.text + '" is cut');
				for (const b of texts.slice(i + 1)) {
					const w = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
					const h = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);

					/* boxes have the room of ascenders and descenders that these texts lack */
					if (w > 1 && h > 3.5)
						found.push(plot.closest('.card').id + ': "' + a.text + '" over "' + b.text + '"');
				}
			});
		}
		return found;
	});

	check(name + ': no label over another, none cut', wrong.length === 0, wrong.slice(0, 6).join('; '));
}

async function fits(name, page) {
	const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

	check(name + ': as wide as the screen', over <= 0, over + ' pixels too wide');
}

function quiet(name, page) {
	check(name + ': no complaint in the console', page.complaints.length === 0, page.complaints.slice(0, 3).join(' | '));
}

async function onScreens(name, page) {
	for (const [width, height] of [[1360, 900], [820, 1100], [360, 740]]) {
		await page.setViewportSize({ width, height });
		await page.waitForTimeout(400);
		await labelsApart(name + ' at ' + width, page);
		await fits(name + ' at ' + width, page);
	}
	await page.setViewportSize({ width: 1360, height: 900 });
	await page.waitForTimeout(400);
}

async function shot(page, file, options) {
	if (env.SHOTS)
		await page.screenshot({ path: env.SHOTS + '/' + file, ...options });
}

const figure = (page) => page.evaluate(() => Number(document.querySelector('#figures b').textContent.replaceAll(',', '')));

async function live(browser) {
	const page = await open(browser, env.PAGE);
	const all = JSON.parse(fs.readFileSync(env.EXPECTED_ALL)), some = JSON.parse(fs.readFileSync(env.EXPECTED_SOME));
	const charts = await page.evaluate(() => CHARTS.length);

	check('as many cards as charts', await page.locator('.card').count() === charts);
	check('all charts are drawn', await page.evaluate(() => Object.keys(drawn).length) === charts);
	let table = await tables(page);
	compare('everything', table, all);
	drawnAsWritten('everything', await series(page), table);
	await inOrderOfTime('everything', page);
	check('what is left over is "other"', table.diagnosis_distribution.length === 13 && table.diagnosis_distribution[12].label === 'other');
	await onScreens('everything', page);
	await shot(page, 'dashboard.png');

	/* each chart can be read without eyes */
	check('each chart has a name and its numbers', await page.evaluate(() => [...document.querySelectorAll('.card')].every((card) =>
		card.querySelector('.plot').getAttribute('aria-label').length > 10 && card.querySelector('table').getAttribute('aria-label'))));

	/* the filter */
	const [from, to, department] = env.FILTER.split(' ');
	const answered = () => page.waitForResponse((r) => r.url().includes('department=' + department) && r.url().includes('to=' + to));

	await page.fill('#from', from);
	await page.fill('#to', to);
	await Promise.all([answered(), page.selectOption('#department', department)]);
	await page.waitForFunction((d) => shown.filter.department === d, department);
	table = await tables(page);
	compare('filtered', table, some);
	drawnAsWritten('filtered', await series(page), table);
	await inOrderOfTime('filtered', page);
	await labelsApart('filtered', page);
	check('the address keeps the filter', page.url().includes('from=' + from) && page.url().includes('department=' + department));
	const again = await open(browser, page.url());

	check('and brings it back', await again.evaluate(() => [here('from').value, here('to').value, here('department').value].join(' ')) === env.FILTER);
	await again.close();

	/* a period that ends before it begins; one in which nothing is */
	await page.fill('#to', '2000-01-01');
	check('a wrong period is said', await page.locator('#to').getAttribute('aria-invalid') === 'true' && await page.locator('#banner').isVisible());
	await page.fill('#from', '');
	await Promise.all([page.waitForResponse((r) => r.url().includes('to=2000-01-01')), page.selectOption('#department', '')]);
	await page.waitForFunction(() => shown.filter.to_day === '2000-01-01');
	const emptyCards = await page.evaluate(() => [...document.querySelectorAll('.card')].filter((c) => c.querySelector('.empty')).map((c) => c.id.slice(5)));
	const always = ['patient_age_distribution', 'doctors_by_specialization'];

	check('charts of an empty period say so', emptyCards.length === charts - always.length && !emptyCards.some((id) => always.includes(id)), emptyCards);
	await Promise.all([page.waitForResponse((r) => r.url().endsWith('/data')), page.click('button[type=reset]')]);
	await page.waitForFunction(() => shown.filter.to_day === null);
	compare('everything again', await tables(page), all);

	/* it follows what happens */
	const before = await figure(page);

	control('a day');
	await page.waitForFunction((n) => Number(document.querySelector('#figures b').textContent.replaceAll(',', '')) > n, before);
	check('a day later it shows more, by itself', await figure(page) > before);
	quiet('live', page);
	const origin = new URL(env.PAGE).origin;

	check('it asks nobody but its own server', page.asked.every((url) => new URL(url).origin === origin), page.asked.filter((u) => !u.startsWith(origin))[0]);

	/* the server goes, and comes back */
	const kept = JSON.stringify(await tables(page));

	control('page off');
	await page.waitForSelector('#banner:not([hidden])');
	check('without its server it says so', /cannot be had/.test(await page.textContent('#banner')));
	check('and keeps what it had', JSON.stringify(await tables(page)) === kept && await page.evaluate(() => Object.keys(drawn).length) === charts);
	await shot(page, 'error.png');
	control('page on');
	await page.waitForSelector('#banner', { state: 'hidden' });
	check('and goes on by itself when it is back', true);
	await page.close();

	/* before anything has come */
	const nobody = await browser.newPage();

	await nobody.route('**/data', (route) => route.fulfill({ status: 503, contentType: 'application/json', body: '{"error": "there is no hospital with marts yet"}' }));
	await nobody.goto(env.PAGE);
	await nobody.waitForSelector('#banner:not([hidden])');
	check('a first answer that is an error is shown', /no hospital with marts yet/.test(await nobody.textContent('#banner')));
	await nobody.close();
}

async function files(browser) {
	const all = JSON.parse(fs.readFileSync(env.EXPECTED_ALL));
	const snapshot = await open(browser, 'file://' + env.SNAPSHOT);

	compare('snapshot', await tables(snapshot), all);
	check('the snapshot asks nobody', snapshot.asked.length === 1, snapshot.asked);
	check('and offers no filter', !await snapshot.locator('#filter').isVisible());
	quiet('snapshot', snapshot);
	await snapshot.close();

	const dark = await open(browser, 'file://' + env.SNAPSHOT, { colorScheme: 'dark' });

	await labelsApart('snapshot in the dark', dark);
	await shot(dark, 'dark.png');
	await dark.close();

	const report = await open(browser, 'file://' + env.REPORT);
	const table = await tables(report), want = JSON.parse(fs.readFileSync(env.EXPECTED_REPORT));

	compare('report', table, want);
	check('report: the verdict is that of the checks', /without exception/.test(await report.textContent('#verdict')) === want.validation.every((row) => row.ok !== false));
	const missing = await report.evaluate(() => ['validation', 'files', 'targets', 'triage_share'].filter((id) => !drawn[id]));

	check('report: its charts are drawn', missing.length === 0, missing);
	check('the report asks nobody', report.asked.length === 1, report.asked);
	await onScreens('report', report);
	quiet('report', report);
	await shot(report, 'report.png');
	await report.close();
}

async function main() {
	const browser = await chromium.launch({
		executablePath: env.CHROMIUM,
		args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
	});

	try {
		await live(browser);
		await files(browser);
	} finally {
		await browser.close();
	}
	process.exit(failures ? 1 : 0);
}

main().catch((error) => {
	console.error(String(error.stack || error));
	process.exit(1);
});

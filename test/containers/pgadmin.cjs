/*
 * pgadmin.cjs: what a person does in pgAdmin, by a browser without a window: log
 * in, open the registered server and its database, run a query, look at the rows.
 *
 * From the environment: PGADMIN_URL, PGADMIN_EMAIL, PGADMIN_PASSWORD; SERVER and
 * DATABASE as they stand in the tree; QUERY; EXPECT, texts separated by "|" that
 * the result must show; SCREENSHOT, a PNG file to write; CHROMIUM.
 */
const { chromium } = require('playwright-core');

const env = process.env;
const PATIENCE = 60000;

/* By its whole text, but for a count behind it: the server may be called as the database is. */
function node(page, label) {
	const literal = label.replace(/[^\w ]/g, '\\$&');

	return page.locator('.file-entry', { hasText: new RegExp(`^\\s*${literal}(\\s*\\(\\d+\\))?\\s*$`) }).first();
}

/* A double click opens a node of the tree, and closes one that has opened by itself. */
async function open(page, label, child) {
	const wanted = node(page, child);

	await node(page, label).waitFor();
	for (let i = 0; i < 6; i++) {
		await wanted.waitFor({ timeout: i === 0 ? 3000 : 10000 }).catch(() => {});
		if (await wanted.isVisible())
			return;
		await node(page, label).dblclick({ timeout: 5000 }).catch(() => {});
	}
	throw new Error(`"${child}" is not below "${label}"`);
}

async function queryTool(page) {
	await page.keyboard.press('Alt+Shift+Q');
	for (let i = 0; i < PATIENCE / 250; i++) {
		const frame = page.frames().find((f) => f.url().includes('/sqleditor/panel'));

		if (frame)
			return frame;
		await page.waitForTimeout(250);
	}
	throw new Error('the query tool did not open');
}

async function main() {
	const browser = await chromium.launch({
		executablePath: env.CHROMIUM || '/usr/bin/chromium',
		args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking',
			'--disable-component-update', '--disable-sync'],
	});
	const page = await browser.newPage({ viewport: { width: 1360, height: 800 } });

	page.setDefaultTimeout(PATIENCE);
	try {
		await page.goto(env.PGADMIN_URL);
		await page.fill('input[name=email]', env.PGADMIN_EMAIL);
		await page.fill('input[name=password]', env.PGADMIN_PASSWORD);
		await page.click('button[name=internal_button]');

		await open(page, 'Servers', env.SERVER);
		/* No password is asked for: the server's is in the pass file. */
		await open(page, env.SERVER, 'Databases');
		await open(page, 'Databases', env.DATABASE);
		await open(page, env.DATABASE, 'Schemas');
		await node(page, env.DATABASE).click();
		const tool = await queryTool(page);
		const editor = tool.locator('.cm-content[contenteditable=true]').first();

		await editor.waitFor({ timeout: PATIENCE });
		await editor.click();
		await page.keyboard.insertText(env.QUERY);
		await page.keyboard.press('F5');
		for (const text of env.EXPECT.split('|'))
			await tool.getByText(text, { exact: false }).last().waitFor({ timeout: PATIENCE });
		await page.waitForTimeout(1500);
		console.log('pgAdmin showed ' + env.EXPECT.split('|').join(', '));
	} finally {
		await page.screenshot({ path: env.SCREENSHOT });
		await browser.close();
	}
}

main().catch((error) => {
	console.error(String(error));
	process.exit(1);
});

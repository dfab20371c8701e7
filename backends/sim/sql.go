package sim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Question is something to ask the text2sql model, with the answer that it
// will give.
type Question struct {
	Text      string
	Reasoning string
	SQL       string // for SQLite
}

// DemoSchema is what the demo's questions are about, to be put before a
// question in the prompt: a shop, and what a gateway's ledger shows of itself.
func DemoSchema() string {
	return `CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, price_cents INTEGER NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id), status TEXT NOT NULL, placed_at TEXT NOT NULL);
CREATE TABLE order_items (order_id INTEGER NOT NULL REFERENCES orders(id), product_id INTEGER NOT NULL REFERENCES products(id), quantity INTEGER NOT NULL, unit_cents INTEGER NOT NULL, PRIMARY KEY (order_id, product_id));
-- times in microseconds since 1970 UTC
CREATE TABLE requests (arrived INTEGER NOT NULL, sent INTEGER, first_byte INTEGER, ended INTEGER NOT NULL, org TEXT NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, status INTEGER NOT NULL, code TEXT NOT NULL, end_state TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL);
-- day in seconds since 1970 UTC
CREATE TABLE daily (day INTEGER NOT NULL, org TEXT NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL, refused INTEGER NOT NULL, failed INTEGER NOT NULL, client_left INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL);
`
}

// DemoQuestions are the questions that the text2sql model has correct queries
// for.
func DemoQuestions() []Question { return slices.Concat(LedgerQuestions(), ShopQuestions()) }

// LedgerQuestions are those about the ledger of a gateway: its requests, its
// sums by hour and day, and what operators did.
func LedgerQuestions() []Question {
	return []Question{
		{"Which organisation used the most tokens yesterday?",
			"Tokens are those of prompts and completions together. The table daily has their sums by day, and a day is the second at which it began, so I keep the row of yesterday's beginning, add up per organisation and take the largest.",
			`SELECT org, SUM(prompt_tokens + completion_tokens) AS tokens
FROM daily
WHERE day = unixepoch('now', 'start of day', '-1 day')
GROUP BY org
ORDER BY tokens DESC
LIMIT 1;`},
		{"Which organisation has used the most tokens today?",
			"The table daily has the sums of each day, today's included. I keep the row of today's beginning, add up the tokens per organisation and take the largest.",
			`SELECT org, SUM(prompt_tokens + completion_tokens) AS tokens
FROM daily
WHERE day = unixepoch('now', 'start of day')
GROUP BY org
ORDER BY tokens DESC
LIMIT 1;`},
		{"Which organisations used the most tokens in the last 7 days?",
			"The tokens of a request are its prompt and its completion together. I add up the sums of daily per organisation over the last seven days, today included, and put the largest first.",
			`SELECT org, SUM(prompt_tokens + completion_tokens) AS tokens
FROM daily
WHERE day >= unixepoch('now', 'start of day', '-6 days')
GROUP BY org
ORDER BY tokens DESC
LIMIT 10;`},
		{"How many requests did each model answer per day this month?",
			"The sums of daily tell how many requests there were, and how many of them were refused, failed or were left by their client. The rest was answered. I write the day as a date and keep this month's.",
			`SELECT date(day, 'unixepoch') AS date, model, SUM(requests - refused - failed - client_left) AS answered
FROM daily
WHERE day >= unixepoch('now', 'start of month') AND model <> ''
GROUP BY date, model
ORDER BY date, model;`},
		{"What share of requests failed per model in the last 24 hours?",
			"A failed request has a status of 500 or more. The mean of a condition that is 0 or 1 is the share for which it holds. Times are in microseconds, so a day ago is in seconds times a million.",
			`SELECT model, ROUND(100.0 * AVG(status >= 500), 2) AS failed_percent, COUNT(*) AS requests
FROM requests
WHERE arrived >= (unixepoch('now') - 86400) * 1000000 AND model <> ''
GROUP BY model
ORDER BY failed_percent DESC, model;`},
		{"What is the average duration of a request per organisation?",
			"Only requests that were answered say something about the duration, so I keep those with a status below 400. From arrival to end is in microseconds; a thousand of them are a millisecond.",
			`SELECT org, ROUND(AVG(ended - arrived) / 1000.0) AS average_ms
FROM requests
WHERE status < 400
GROUP BY org
ORDER BY average_ms DESC;`},
		{"How long did the first byte of an answer take per model today?",
			"From a request's being sent to the first byte of its answer, in microseconds. Requests that never got one have NULL there, and drop out of the mean by themselves.",
			`SELECT model, ROUND(AVG(first_byte - sent) / 1000.0) AS average_ms, COUNT(first_byte) AS answers
FROM requests
WHERE arrived >= unixepoch('now', 'start of day') * 1000000 AND first_byte IS NOT NULL
GROUP BY model
ORDER BY average_ms DESC;`},
		{"Which hour of the day has the most requests?",
			"The table hourly has the requests of each hour. I take the hour of the day out of its beginning, add up over all days, and keep the largest sum.",
			`SELECT strftime('%H', hour, 'unixepoch') AS hour_of_day, SUM(requests) AS requests
FROM hourly
GROUP BY hour_of_day
ORDER BY requests DESC
LIMIT 1;`},
		{"Which keys were refused most often today, and why?",
			"The gateway's refusals have the end state refused, and a code that says why. I count those of today per key and code.",
			`SELECT org, key, code, COUNT(*) AS refused
FROM requests
WHERE end_state = 'refused' AND arrived >= unixepoch('now', 'start of day') * 1000000
GROUP BY org, key, code
ORDER BY refused DESC, org, key, code
LIMIT 10;`},
		{"What share of prompt tokens came out of the prefix cache per model today?",
			"Cached tokens are a part of the prompt's. I divide the sums of today, and leave out models without a prompt, which would divide by nothing.",
			`SELECT model, ROUND(100.0 * SUM(cached_tokens) / SUM(prompt_tokens), 1) AS cached_percent
FROM daily
WHERE day = unixepoch('now', 'start of day')
GROUP BY model
HAVING SUM(prompt_tokens) > 0
ORDER BY cached_percent DESC;`},
		{"Which ten requests of the last hour took longest?",
			"I keep the requests that arrived within the last hour and sort them by the time from arrival to end, which I write in seconds.",
			`SELECT id, org, model, status, ROUND((ended - arrived) / 1000000.0, 2) AS seconds
FROM requests
WHERE arrived >= (unixepoch('now') - 3600) * 1000000
ORDER BY ended - arrived DESC
LIMIT 10;`},
		{"What did operators do last?",
			"The audit has a row for each thing that was done. I put the newest first and write its time, which is in microseconds, for people.",
			`SELECT datetime(at / 1000000, 'unixepoch') AS time, author, action, object, detail
FROM audit
ORDER BY at DESC
LIMIT 20;`},
	}
}

// ShopQuestions are those about the shop.
func ShopQuestions() []Question {
	return []Question{
		{"How many customers are there?",
			"Every row of customers is one.",
			`SELECT COUNT(*) FROM customers;`},
		{"What is the most expensive product?",
			"I sort the products by price and take the name of the first.",
			`SELECT name FROM products ORDER BY price_cents DESC LIMIT 1;`},
		{"How many customers are there in each country?",
			"I count the customers per country.",
			`SELECT country, COUNT(*) AS customers
FROM customers
GROUP BY country;`},
		{"How much revenue did each product category bring in 2025?",
			"Revenue is quantity times unit price over the items of orders that were not cancelled. The category is in products, the date in orders, so three tables are joined.",
			`SELECT p.category, SUM(i.quantity * i.unit_cents) / 100.0 AS revenue
FROM order_items AS i
JOIN orders AS o ON o.id = i.order_id
JOIN products AS p ON p.id = i.product_id
WHERE o.status <> 'cancelled' AND o.placed_at >= '2025-01-01' AND o.placed_at < '2026-01-01'
GROUP BY p.category
ORDER BY revenue DESC;`},
		{"Who are the ten customers with the highest total spend?",
			"A customer's spend is the sum over the items of all their orders that were not cancelled. I group by the customer's key, since two may have the same name.",
			`SELECT c.id, c.name, SUM(i.quantity * i.unit_cents) / 100.0 AS spend
FROM customers AS c
JOIN orders AS o ON o.customer_id = c.id
JOIN order_items AS i ON i.order_id = o.id
WHERE o.status <> 'cancelled'
GROUP BY c.id, c.name
ORDER BY spend DESC
LIMIT 10;`},
		{"Which customers have never placed an order?",
			"Those are the customers for whom no order exists, which an anti-join says directly.",
			`SELECT c.id, c.name
FROM customers AS c
WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.customer_id = c.id)
ORDER BY c.name;`},
		{"How many orders were placed per month in 2025?",
			"I cut the date of each order to its month, keep those of that year, and count.",
			`SELECT strftime('%Y-%m', placed_at) AS month, COUNT(*) AS orders
FROM orders
WHERE placed_at >= '2025-01-01' AND placed_at < '2026-01-01'
GROUP BY month
ORDER BY month;`},
		{"Which products were never ordered?",
			"A left join keeps products without an item; those are the rows in which the item's side is null.",
			`SELECT p.id, p.name
FROM products AS p
LEFT JOIN order_items AS i ON i.product_id = p.id
WHERE i.product_id IS NULL
ORDER BY p.name;`},
		{"What is the average order value per country?",
			"An order's value is the sum of its items, so I first add up each order and then average the orders of each country.",
			`SELECT c.country, ROUND(AVG(v.cents) / 100.0, 2) AS average_value
FROM (
  SELECT o.id, o.customer_id, SUM(i.quantity * i.unit_cents) AS cents
  FROM orders AS o
  JOIN order_items AS i ON i.order_id = o.id
  WHERE o.status <> 'cancelled'
  GROUP BY o.id, o.customer_id
) AS v
JOIN customers AS c ON c.id = v.customer_id
GROUP BY c.country
ORDER BY average_value DESC;`},
	}
}

// writeSQL is the text2sql model's answer: to one of its questions the
// reasoning and the query, to anything else a query that is true of the
// schema in the prompt, and a word about what it is. A prompt may have the
// headings that text-to-SQL models are trained on.
func writeSQL(question, prompt string) string {
	if sql, ok := section(question, "SQL Query"); ok {
		return explainSQL(sql)
	}
	if asked, ok := section(question, "Question"); ok {
		question = asked
	}
	if q, ok := known(question); ok {
		return q.Reasoning + "\n\n```sql\n" + q.SQL + "\n```"
	}
	table := "sqlite_schema"
	if m := regexp.MustCompile(`(?i)create\s+table\s+(?:if\s+not\s+exists\s+)?([a-z_][a-z0-9_]{0,62})`).FindStringSubmatch(prompt); m != nil {
		table = m[1]
	}
	return "This is a simulated model: it writes queries for the demo's questions only, and this is none of them. " +
		"To look at the data for yourself, begin with a few rows.\n\n```sql\n" +
		fmt.Sprintf("SELECT *\nFROM %s\nLIMIT 10;", table) + "\n```"
}

// explainSQL says what a query does that the model might have written.
func explainSQL(sql string) string {
	for _, q := range DemoQuestions() {
		if strings.Contains(sql, strings.TrimSuffix(q.SQL, ";")) {
			return "It answers: " + q.Text + " " + q.Reasoning
		}
	}
	return "This is a simulated model: it explains no query but those that it writes."
}

var nextHeading = regexp.MustCompile(`\n\n[A-Z][A-Za-z ]{2,30}:\n`)

// section is what stands below a heading of a prompt.
func section(prompt, heading string) (string, bool) {
	_, text, ok := strings.Cut("\n"+prompt, "\n"+heading+":\n")
	if next := nextHeading.FindStringIndex(text); next != nil {
		text = text[:next[0]]
	}
	return text, ok
}

// known finds the demo's question that a text asks: one that it contains, or
// else the one whose words it shares most of, at least two thirds of all that
// either has.
func known(text string) (Question, bool) {
	asked := keywords(text)
	var best Question
	var most float64
	for _, q := range DemoQuestions() {
		if strings.Contains(strings.ToLower(text), strings.ToLower(q.Text)) {
			return q, true
		}
		if s := overlap(asked, keywords(q.Text)); s > most {
			best, most = q, s
		}
	}
	return best, most >= 2.0/3
}

// overlap is the share of words that two lists have in common, of all that
// they have.
func overlap(a, b []string) float64 {
	have := make(map[string]bool, len(a))
	for _, w := range a {
		have[w] = true
	}
	both := 0
	for _, w := range b {
		if have[w] {
			both++
		}
	}
	if all := len(a) + len(b) - both; all > 0 {
		return float64(both) / float64(all)
	}
	return 0
}

package sim

import (
	"fmt"
	"regexp"
	"strings"
)

// Question is something to ask the text2sql model, with the answer that it
// will give.
type Question struct {
	Text      string
	Reasoning string
	SQL       string // for SQLite, over DemoSchema
}

// DemoSchema is what the demo's questions are about, to be put before a
// question in the prompt.
func DemoSchema() string {
	return `CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, price_cents INTEGER NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id), status TEXT NOT NULL, placed_at TEXT NOT NULL);
CREATE TABLE order_items (order_id INTEGER NOT NULL REFERENCES orders(id), product_id INTEGER NOT NULL REFERENCES products(id), quantity INTEGER NOT NULL, unit_cents INTEGER NOT NULL);
CREATE TABLE usage (id INTEGER PRIMARY KEY, at TEXT NOT NULL, org TEXT NOT NULL, model TEXT NOT NULL, status INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, duration_ms INTEGER NOT NULL);
`
}

// DemoQuestions are the questions that the text2sql model has correct queries
// for.
func DemoQuestions() []Question {
	return []Question{
		{"Which organisations used the most tokens in the last 7 days?",
			"The tokens of a request are its prompt and its completion together. I add them up per organisation over the rows of the last seven days and put the largest sum first.",
			`SELECT org, SUM(prompt_tokens + completion_tokens) AS tokens
FROM usage
WHERE at >= datetime('now', '-7 days')
GROUP BY org
ORDER BY tokens DESC
LIMIT 10;`},
		{"How many requests did each model answer per day this month?",
			"Every row of usage is a request. I cut its time to the day, keep this month's rows, and count per day and model.",
			`SELECT date(at) AS day, model, COUNT(*) AS requests
FROM usage
WHERE at >= date('now', 'start of month')
GROUP BY day, model
ORDER BY day, model;`},
		{"What share of requests failed per model in the last 24 hours?",
			"A failed request has a status of 500 or more. The mean of a condition that is 0 or 1 is the share for which it holds.",
			`SELECT model, ROUND(100.0 * AVG(status >= 500), 2) AS failed_percent, COUNT(*) AS requests
FROM usage
WHERE at >= datetime('now', '-1 day')
GROUP BY model
ORDER BY failed_percent DESC;`},
		{"What is the average duration of a request per organisation?",
			"Only requests that were answered say something about the duration, so I keep those with a status below 400 and average them per organisation.",
			`SELECT org, ROUND(AVG(duration_ms)) AS average_ms
FROM usage
WHERE status < 400
GROUP BY org
ORDER BY average_ms DESC;`},
		{"Which hour of the day has the most requests?",
			"I take the hour out of every row's time, count the rows of each hour, and keep the largest count.",
			`SELECT strftime('%H', at) AS hour, COUNT(*) AS requests
FROM usage
GROUP BY hour
ORDER BY requests DESC
LIMIT 1;`},
		{"How much revenue did each product category bring in this year?",
			"Revenue is quantity times unit price over the items of orders that were not cancelled. The category is in products, the date in orders, so three tables are joined.",
			`SELECT p.category, SUM(i.quantity * i.unit_cents) / 100.0 AS revenue
FROM order_items AS i
JOIN orders AS o ON o.id = i.order_id
JOIN products AS p ON p.id = i.product_id
WHERE o.status <> 'cancelled' AND o.placed_at >= date('now', 'start of year')
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
		{"How many orders were placed per month in the last year?",
			"I cut the date of each order to its month, keep those of the last twelve months, and count.",
			`SELECT strftime('%Y-%m', placed_at) AS month, COUNT(*) AS orders
FROM orders
WHERE placed_at >= date('now', '-1 year')
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
// schema in the prompt, and a word about what it is.
func writeSQL(question, prompt string) string {
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

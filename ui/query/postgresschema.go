package query

import (
	"context"
	"strconv"
)

// tablesQuery is what the role may read, at least a column of it, and its columns in
// order: schema, default schema or not, table, kind, rows, comment; column, type, not null,
// primary key, reference, comment.
const tablesQuery = `
SELECT n.nspname, n.nspname = 'public', c.relname, c.relkind IN ('v', 'm'), CASE WHEN c.relkind = 'v' THEN -1 WHEN c.relkind = 'p' THEN (SELECT CASE WHEN pg_catalog.min(k.reltuples) < 0 THEN -1 ELSE pg_catalog.sum(k.reltuples) END
		FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class k ON k.oid = t.relid WHERE t.isleaf) ELSE c.reltuples END, pg_catalog.obj_description(c.oid, 'pg_class'),
	a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
	EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attnum = ANY (k.conkey)),
	(SELECT CASE fn.nspname WHEN 'public' THEN '' ELSE fn.nspname || '.' END || fc.relname || '(' || fa.attname || ')'
		FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class fc ON fc.oid = k.confrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
		JOIN pg_catalog.pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = k.confkey[pg_catalog.array_position(k.conkey, a.attnum)]
		WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey) ORDER BY k.oid LIMIT 1),
	pg_catalog.col_description(c.oid, a.attnum)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_'
	AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
	AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY n.nspname <> 'public', n.nspname, c.relname, a.attnum LIMIT 20000`

func (p *postgres) Schema(ctx context.Context) (*Schema, error) {
	ctx, leave, err := p.gate.enter(ctx, schemaTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	if is := p.schema.get(); is != nil {
		return is, nil
	}
	s, err := p.begin(ctx, Bounds{Time: schemaTime, Bytes: 64 << 20})
	if err != nil {
		return nil, err
	}
	defer s.end()
	r := s.conn.ExecParams(ctx, tablesQuery, nil, nil, nil, nil).Read()
	if r.Err != nil {
		return nil, p.fail(ctx, r.Err, 0)
	}
	is := &Schema{}
	for _, row := range r.Rows {
		is.add(row)
	}
	p.schema.set(is)
	return is, nil
}

func (is *Schema) add(row [][]byte) {
	cell := func(i int) string { return string(row[i]) }
	name := cell(2)
	if cell(1) != "t" {
		name = cell(0) + "." + name
	}
	if n := len(is.Tables); n == 0 || is.Tables[n-1].Name != name {
		t := Table{Name: name, View: cell(3) == "t", Rows: -1, About: cell(5)}
		if rows, err := strconv.ParseFloat(cell(4), 64); err == nil && rows >= 0 {
			t.Rows = int64(rows)
		}
		is.Tables = append(is.Tables, t)
	}
	t := &is.Tables[len(is.Tables)-1]
	t.Columns = append(t.Columns, Column{Name: cell(6), Type: cell(7), NotNull: cell(8) == "t", PrimaryKey: cell(9) == "t", References: cell(10), About: cell(11)})
}

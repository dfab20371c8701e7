package query

import (
	"context"
	"strings"
	"time"
)

// What a role may have no part in: each row is a reason to refuse the source. roles are
// those that the session is or could become, by set_config('role', …) if by nothing else.
// What is PUBLIC's counts as everybody's.
const roleCheck = `
WITH roles AS MATERIALIZED (
	SELECT r.* FROM pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
), tables AS MATERIALIZED (
	SELECT c.oid, c.relkind, n.nspname || '.' || c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
)
SELECT * FROM (
	SELECT 1 AS rank, 'it is, or may become, a superuser' AS reason FROM roles WHERE rolsuper
	UNION ALL SELECT 2, 'it may make databases, make roles or replicate' FROM roles WHERE rolcreatedb OR rolcreaterole OR rolreplication
	UNION ALL SELECT 3, 'it is a member of ' || rolname FROM roles WHERE rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files',
		'pg_write_all_data', 'pg_signal_backend', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription', 'pg_signal_autovacuum_worker')
	UNION ALL (SELECT 4, 'it owns ' || pg_catalog.count(*) || ' object(s)' FROM pg_catalog.pg_shdepend d JOIN roles r ON r.oid = d.refobjid
		WHERE d.deptype = 'o' AND d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass HAVING pg_catalog.count(*) > 0)
	UNION ALL SELECT 5, 'it may make objects in this database' FROM roles r
		WHERE pg_catalog.has_database_privilege(r.oid, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()), 'CREATE')
	UNION ALL SELECT 6, 'it may make objects in the schema ' || n.nspname FROM roles r, pg_catalog.pg_namespace n
		WHERE n.nspname !~ '^pg_(toast_)?temp_' AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')
	UNION ALL SELECT 7, 'it may change ' || t.name FROM roles r, tables t
		WHERE t.relkind <> 'S' AND (pg_catalog.has_table_privilege(r.oid, t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') OR pg_catalog.has_any_column_privilege(r.oid, t.oid, 'INSERT, UPDATE, REFERENCES'))
	UNION ALL SELECT 8, 'it may advance ' || t.name FROM roles r, tables t
		WHERE t.relkind = 'S' AND pg_catalog.has_sequence_privilege(r.oid, t.oid, 'USAGE, UPDATE')
	UNION ALL SELECT 9, 'it may call ' || p.oid::pg_catalog.regprocedure FROM roles r, pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
		WHERE (p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND (p.proname IN ('lo_import', 'lo_export', 'pg_rotate_logfile', 'pg_reload_conf',
				'pg_switch_wal', 'pg_create_restore_point', 'pg_promote', 'pg_log_backend_memory_contexts', 'pg_log_standby_snapshot', 'pg_wal_replay_pause', 'pg_wal_replay_resume')
				OR p.proname ~ '^pg_(read_|ls_|stat_file|stat_reset|file_|replication_origin|backup_|start_backup|stop_backup)' AND p.proname <> 'pg_read_file_old')
			OR NOT l.lanpltrusted AND l.lanname NOT IN ('c', 'internal', 'sql')
			OR EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
				WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
				AND e.extname IN ('dblink', 'adminpack', 'pg_cron', 'pg_net', 'http', 'pg_background', 'pg_prewarm', 'pg_surgery', 'pg_visibility', 'plsh', 'aws_s3', 'orafce', 'file_fdw')))
		AND p.prorettype <> 'pg_catalog.event_trigger'::pg_catalog.regtype AND pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')
) AS reasons ORDER BY rank, reason LIMIT 4`

// trustTime is how long a role that was found to have no rights is not looked at again.
const trustTime = time.Minute

// trust fails if the role could do more than read. It is a second lock: the transaction
// is the first, but a transaction doesn't keep a role that may write the server's files
// from writing them.
func (p *postgres) trust(ctx context.Context, s *session) error {
	if s.off.role {
		return nil
	}
	p.mu.Lock()
	fresh := time.Since(p.trusted) < trustTime
	p.mu.Unlock()
	if fresh {
		return nil
	}
	r := s.conn.ExecParams(ctx, roleCheck, nil, nil, nil, nil).Read()
	if r.Err != nil {
		return p.fail(ctx, r.Err, 0)
	}
	var reasons []string
	for _, row := range r.Rows {
		reasons = append(reasons, string(row[1]))
	}
	if len(reasons) > 0 {
		return &Error{Unreachable, "the role could do more than read, so it isn't used: " + strings.Join(reasons, "; ") + ". docs/sql.md tells how to make one that can't", -1}
	}
	p.mu.Lock()
	p.trusted = time.Now()
	p.mu.Unlock()
	return nil
}

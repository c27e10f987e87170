package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// sqlLedger is a table of Postgres or MariaDB, a transaction a row.
type sqlLedger struct {
	config
	db *sql.DB
}

func (l *sqlLedger) open(ctx context.Context) error {
	driver, dsn, err := l.dsn()
	if err != nil {
		return err
	}
	if l.db, err = sql.Open(driver, dsn); err != nil {
		return err
	}
	l.db.SetMaxOpenConns(1) // the session ends with its connection, so that what was lost with it is looked for
	_, err = l.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS entries (n bigint PRIMARY KEY, written varchar(40) NOT NULL, payload text NOT NULL, sum char(64) NOT NULL)`)
	return err
}

// dsn reads the password anew each time: it may have been changed.
func (l *sqlLedger) dsn() (driver, dsn string, err error) {
	password, err := l.password()
	if err != nil {
		return "", "", err
	}
	if l.writer == "postgres" {
		u := url.URL{Scheme: "postgres", Host: l.writeTo, Path: l.database, User: url.UserPassword(l.user, password), RawQuery: "sslmode=disable&connect_timeout=2"}
		return "pgx", u.String(), nil
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User, c.Passwd = "tcp", l.writeTo, l.database, l.user, password
	c.Timeout, c.ReadTimeout, c.WriteTimeout = writeWithin, checkWithin, writeWithin
	return "mysql", c.FormatDSN(), nil
}

func (c *config) password() (string, error) {
	if c.passwordFile == "" {
		return "", nil
	}
	data, err := os.ReadFile(c.passwordFile)
	return strings.TrimSpace(string(data)), err
}

func (l *sqlLedger) last(ctx context.Context) (entry, error) {
	var e entry
	err := l.db.QueryRowContext(ctx, "SELECT n, written, payload, sum FROM entries ORDER BY n DESC LIMIT 1").Scan(&e.n, &e.written, &e.payload, &e.sum)
	if errors.Is(err, sql.ErrNoRows) {
		return entry{}, nil
	}
	return e, err
}

func (l *sqlLedger) put(ctx context.Context, e entry) error {
	statement := "INSERT INTO entries (n, written, payload, sum) VALUES (?, ?, ?, ?)"
	if l.writer == "postgres" {
		statement = "INSERT INTO entries (n, written, payload, sum) VALUES ($1, $2, $3, $4)"
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, statement, e.n, e.written, e.payload, e.sum); err != nil {
		return err
	}
	return tx.Commit()
}

func (l *sqlLedger) each(ctx context.Context, f func(entry)) error {
	rows, err := l.db.QueryContext(ctx, "SELECT n, written, payload, sum FROM entries")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.n, &e.written, &e.payload, &e.sum); err != nil {
			return fmt.Errorf("reading a row: %w", err)
		}
		f(e)
	}
	return rows.Err()
}

func (l *sqlLedger) close() {
	if l.db != nil {
		_ = l.db.Close()
	}
}

use super::*;
use proptest::prelude::*;

fn ddl(statement: &str) -> Vec<(String, Effect)> {
    let classified = classify(statement, "shop", Dialect::default());
    let Statement::Ddl(changes) = classified else { panic!("{statement}: {classified:?}") };
    changes.into_iter().map(|change| (change.table.to_string(), change.effect)).collect()
}

fn effect(statement: &str) -> Effect {
    let changes = ddl(statement);
    assert_eq!(changes[0].0, "shop.orders", "{statement}");
    changes[0].1
}

#[test]
fn a_new_column_that_begins_as_null_leaves_rows_as_they_are() {
    for statement in [
        "ALTER TABLE orders ADD COLUMN note VARCHAR(20)",
        "alter table `shop`.`orders` add note text null default null comment 'a, NOT NULL b'",
        "ALTER TABLE orders ADD (a INT, b DECIMAL(10,2)), ALGORITHM=INSTANT",
        "ALTER TABLE orders /* why */ ADD INDEX i (a, b), ADD FULLTEXT KEY (c)",
        "ALTER TABLE orders ADD COLUMN seen TIMESTAMP NULL",
        "ALTER TABLE orders ALTER COLUMN a SET DEFAULT 5, ENGINE = InnoDB",
        "ALTER TABLE orders ALTER a DROP DEFAULT, ALTER INDEX i INVISIBLE, ALTER CHECK c NOT ENFORCED",
        "ALTER TABLE orders ADD COLUMN n INT FIRST, ADD m INT AFTER a, ALGORITHM=INSTANT",
        "ALTER TABLE orders DEFAULT CHARACTER SET = utf8mb4 COLLATE utf8mb4_bin, COMMENT = 'DROP a'",
        "ALTER TABLE orders CHARSET utf8mb4, AUTO_INCREMENT = 7, ROW_FORMAT=DYNAMIC STATS_PERSISTENT=0",
        "ALTER TABLE orders ENGINE InnoDB",
        "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES b (id), DROP FOREIGN KEY g",
        "ALTER TABLE orders ADD CHECK (a > 0), DROP CHECK c, RENAME INDEX i TO j, FORCE",
        "ALTER TABLE orders ORDER BY a, b DESC, `c`",
        "ALTER TABLE orders SECONDARY_ENGINE = RAPID, SECONDARY_LOAD",
        "ALTER TABLE /* gh-ost */ `shop`.`orders` ADD COLUMN `DROP` INT NULL COMMENT \"x\", ADD y INT",
        "CREATE INDEX i ON orders (a)",
    ] {
        assert_eq!(effect(statement), Effect::RowsStay, "{statement}");
    }
}

#[test]
fn whatever_may_change_stored_rows_is_said_so() {
    for statement in [
        "ALTER TABLE orders ADD COLUMN n INT NOT NULL",
        "ALTER TABLE orders ADD COLUMN n INT DEFAULT 5",
        "ALTER TABLE orders ADD COLUMN n INT AS (a + 1)",
        "ALTER TABLE orders ADD COLUMN (a INT, b INT NOT NULL)",
        "ALTER TABLE orders DROP COLUMN a",
        "ALTER TABLE orders DROP a",
        "ALTER TABLE orders MODIFY a BIGINT",
        "ALTER TABLE orders CHANGE a b INT",
        "ALTER TABLE orders CONVERT TO CHARACTER SET latin1",
        "ALTER TABLE orders DROP PARTITION p0",
        "ALTER TABLE orders DROP PRIMARY KEY, ADD PRIMARY KEY (a)",
        "ALTER TABLE orders RENAME COLUMN a TO b",
        "ALTER TABLE orders /*!50100 DROP COLUMN a */",
        "ALTER TABLE orders FROBNICATE",
        "ALTER TABLE orders DROP COLUMN a, ALGORITHM=INSTANT",
        "ALTER TABLE orders CHANGE a b INT, ALGORITHM=INSTANT",
        "ALTER TABLE orders MODIFY a ENUM('x', 'y', 'z')",
        "ALTER TABLE orders MODIFY a INT AS (b + 1) VIRTUAL, ALGORITHM=INPLACE",
        "ALTER TABLE orders ADD COLUMN n INT KEY",
        "ALTER TABLE orders DROP INDEX `PRIMARY`",
        "ALTER TABLE orders DROP CONSTRAINT `primary`",
        "ALTER TABLE orders ADD CONSTRAINT k PRIMARY KEY (a)",
        "DROP INDEX `PRIMARY` ON orders",
        "ALTER TABLE orders ENGINE = BLACKHOLE",
        "ALTER TABLE orders COMMENT 'x' UNION = (a, b)",
        "ALTER TABLE orders COMMENT \"a\\\"\", DROP COLUMN b",
        "ALTER TABLE orders COMMENT 'a', /*!80000 DROP COLUMN b */",
        "ALTER TABLE orders ADD a INT, --\n DROP b, ADD c INT PARTITION BY HASH (id)",
        "ALTER TABLE orders TRUNCATE PARTITION p0, p1",
        "ALTER TABLE orders DROP PARTITION p0, p1",
    ] {
        assert_eq!(effect(statement), Effect::RowsChange, "{statement}");
    }
}

#[test]
fn partitions_are_added_and_moved_without_a_change_of_rows() {
    for statement in [
        "ALTER TABLE orders ADD PARTITION (PARTITION p3 VALUES LESS THAN (30), PARTITION p4 VALUES IN (4))",
        "ALTER TABLE orders ADD PARTITION PARTITIONS 4",
        "ALTER TABLE orders REORGANIZE PARTITION p0, p1 INTO (PARTITION p VALUES LESS THAN MAXVALUE)",
        "ALTER TABLE orders REBUILD PARTITION p0, p1",
        "ALTER TABLE orders COALESCE PARTITION 2",
        "ALTER TABLE orders ANALYZE PARTITION ALL",
        "ALTER TABLE orders CHECK PARTITION p0, p1",
        "ALTER TABLE orders OPTIMIZE PARTITION p0",
        "ALTER TABLE orders REPAIR PARTITION p0, p1 QUICK",
        "ALTER TABLE orders PARTITION BY RANGE COLUMNS (a, b) (PARTITION p0 VALUES LESS THAN (1, 2))",
        "ALTER TABLE orders ALGORITHM=INPLACE, LOCK=NONE, REORGANIZE PARTITION p0, p1 INTO (PARTITION p)",
        "ALTER TABLE orders ADD COLUMN a INT PARTITION BY KEY (id) PARTITIONS 3",
        "ALTER TABLE orders ADD COLUMN a INT NULL REMOVE PARTITIONING",
        "ALTER TABLE orders REMOVE PARTITIONING",
    ] {
        assert_eq!(ddl(statement), [("shop.orders".to_owned(), Effect::RowsStay)], "{statement}");
    }
    for (statement, effect) in [
        ("ALTER TABLE orders DISCARD PARTITION p0, p1 TABLESPACE", Effect::Discarded),
        ("ALTER TABLE orders IMPORT PARTITION p0 TABLESPACE", Effect::Imported),
        ("ALTER TABLE orders DISCARD TABLESPACE", Effect::Discarded),
        ("ALTER TABLE orders IMPORT TABLESPACE", Effect::Imported),
    ] {
        assert_eq!(ddl(statement), [("shop.orders".to_owned(), effect)], "{statement}");
    }
    let changed = |name: &str| (name.to_owned(), Effect::RowsChange);
    assert_eq!(
        ddl("ALTER TABLE orders EXCHANGE PARTITION p0 WITH TABLE `old`.`a.b` WITHOUT VALIDATION"),
        [changed("shop.orders"), changed("old.a.b")]
    );
}

#[test]
fn what_tells_rows_apart_may_change_with_a_unique_key() {
    for statement in [
        "ALTER TABLE orders ADD UNIQUE KEY (c)",
        "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (c), ADD COLUMN n INT",
        "ALTER TABLE orders ADD COLUMN n INT UNIQUE KEY",
        "ALTER TABLE orders DROP INDEX i",
        "ALTER TABLE orders DROP CONSTRAINT i",
        "ALTER TABLE orders MODIFY COLUMN a VARCHAR(90) NOT NULL, ALGORITHM=INPLACE",
        "ALTER TABLE orders MODIFY a ENUM('x', 'y', 'z') AFTER b, ALGORITHM = INSTANT",
        "CREATE UNIQUE INDEX i ON orders (a)",
        "DROP INDEX `i` ON `shop`.`orders`",
    ] {
        assert_eq!(effect(statement), Effect::KeyMayChange, "{statement}");
    }
}

#[test]
fn the_sessions_mode_says_what_quotes_and_backslashes_mean() {
    let ansi = Dialect::of_sql_mode(1 << 2);
    let plain = Dialect::of_sql_mode(1 << 20);
    let changes = |statement, dialect| {
        let classified = classify(statement, "shop", dialect);
        let Statement::Ddl(changes) = classified else { panic!("{statement}: {classified:?}") };
        changes
    };

    let renamed = changes(r#"RENAME TABLE "a""b" TO "c.d"."e\""#, ansi);
    assert_eq!(renamed[0].table, TableId::new("shop", "a\"b"));
    assert_eq!(renamed[1].table, TableId::new("c.d", "e\\"));
    let text = r"ALTER TABLE t COMMENT '\', DROP COLUMN a, COMMENT '', ADD b INT";
    assert_eq!(changes(text, plain)[0].effect, Effect::RowsChange);
    assert_eq!(changes(text, Dialect::default())[0].effect, Effect::RowsStay);
}

#[test]
fn rows_that_go_or_come_from_elsewhere() {
    for statement in ["TRUNCATE orders", "TRUNCATE TABLE shop.orders"] {
        assert_eq!(effect(statement), Effect::Emptied, "{statement}");
    }
    assert_eq!(effect("DROP TABLE IF EXISTS orders"), Effect::RowsGone);
    let gone = |name: &str| (name.to_owned(), Effect::RowsGone);
    let here = |name: &str| (name.to_owned(), Effect::RowsArrive);
    assert_eq!(
        ddl("RENAME TABLE orders TO old.orders, `new` TO orders"),
        [gone("shop.orders"), here("old.orders"), gone("shop.new"), here("shop.orders")]
    );
    assert_eq!(ddl("ALTER TABLE a RENAME TO b"), [gone("shop.a"), here("shop.b")]);
    assert_eq!(ddl("DROP TABLE a, b.c /* generated by server */"), [gone("shop.a"), gone("b.c")]);
    assert_eq!(
        ddl("RENAME TABLE a TO `tmp.1`, b TO a, `tmp.1` TO x.b"),
        [
            gone("shop.a"),
            here("shop.tmp.1"),
            gone("shop.b"),
            here("shop.a"),
            gone("shop.tmp.1"),
            here("x.b")
        ]
    );
    assert_eq!(
        ddl("ALTER TABLE a ADD COLUMN n INT NOT NULL, RENAME x.b, DROP INDEX i"),
        [gone("shop.a"), here("x.b")]
    );
    assert_eq!(ddl("RENAME TABLE .a TO .b"), [gone("shop.a"), here("shop.b")]);
    assert_eq!(
        classify("DROP DATABASE IF EXISTS `my``shop`", "", Dialect::default()),
        Statement::DatabaseDropped("my`shop".to_owned())
    );
}

#[test]
fn tables_are_created_in_many_ways() {
    for (statement, effect) in [
        ("CREATE TABLE orders (id INT)", Effect::Created),
        ("CREATE TABLE orders LIKE `new`.t", Effect::Created),
        ("CREATE TABLE `orders` (`id` int NOT NULL) START TRANSACTION", Effect::Created),
        ("CREATE TABLE IF NOT EXISTS orders (id INT)", Effect::CreatedIfMissing),
        ("CREATE TABLE IF NOT EXISTS shop.orders LIKE t", Effect::CreatedIfMissing),
    ] {
        assert_eq!(effect, self::effect(statement), "{statement}");
    }
}

#[test]
fn transactions_and_statements_about_other_things() {
    assert_eq!(classify("BEGIN", "", Dialect::default()), Statement::Begin);
    assert_eq!(classify("COMMIT", "", Dialect::default()), Statement::Commit);
    assert_eq!(classify("SAVEPOINT `a`", "", Dialect::default()), Statement::Other);
    assert_eq!(classify("ROLLBACK TO `a`", "", Dialect::default()), Statement::RollbackToSavepoint);
    assert_eq!(
        classify("XA START X'61',X'',1", "", Dialect::default()),
        Statement::XaStart { xid: "X'61',X'',1".to_owned() }
    );
    assert_eq!(classify("XA END X'61',X'',1", "", Dialect::default()), Statement::Other);
    for (statement, is_commit) in
        [("XA COMMIT X'61',X'',1", true), ("XA ROLLBACK  X'61',X'',1 ", false)]
    {
        let xid = "X'61',X'',1".to_owned();
        assert_eq!(
            classify(statement, "", Dialect::default()),
            Statement::XaOutcome { xid, is_commit }
        );
    }
    assert_eq!(classify("GRANT ALL ON orders TO x", "", Dialect::default()), Statement::Other);
    assert_eq!(
        classify("CREATE TEMPORARY TABLE orders (a INT)", "", Dialect::default()),
        Statement::Other
    );
    assert_eq!(classify("CREATE VIEW v AS SELECT 1", "", Dialect::default()), Statement::Other);
    assert!(
        matches!(classify("INSERT INTO orders VALUES (1)", "", Dialect::default()), Statement::Dml(names) if names.contains(&"orders".to_owned()))
    );
    assert!(
        matches!(classify("FROB orders", "", Dialect::default()), Statement::Unknown(names) if names.contains(&"orders".to_owned()))
    );
}

proptest! {
    #[test]
    fn any_text_is_classified(statement in ".{0,80}") {
        let _statement = classify(&statement, "shop", Dialect::default());
    }
}

//! Changes of every kind, first one by one and then mixed.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Pool};

use super::DemoError;
use super::shop::{connect, refused};

/// What each step shows, and its statements.
pub(super) const STEPS: [(&str, &[&str]); 10] = [
    (
        "INSERT: a customer with Korean text, an emoji and the largest unsigned number",
        &["INSERT INTO shop.customers (id, name, city, loyalty_points, preferences, created_at) \
           VALUES (1000, '정하나 🌸', '제주', 18446744073709551615, '{\"theme\": \"sea\"}', \
           '2025-05-05 05:05:05.050505')"],
    ),
    (
        "UPDATE: all books become dearer, one product gets NULLs",
        &[
            "UPDATE shop.products SET price = price * 1.10 WHERE category = 'book'",
            "UPDATE shop.products SET description = NULL, attributes = NULL WHERE id = 4",
        ],
    ),
    ("DELETE: all lines of an order", &["DELETE FROM shop.order_items WHERE order_id = 7"]),
    (
        "Primary key: a customer and a line of an order get new keys",
        &[
            "UPDATE shop.customers SET id = 2000 WHERE id = 150",
            "UPDATE shop.order_items SET line = 9 WHERE order_id = 8 AND line = 1",
        ],
    ),
    (
        "Primary key there and back: two documents change places",
        &[
            "UPDATE shop.customers SET id = 3000 WHERE id = 10",
            "UPDATE shop.customers SET id = 10 WHERE id = 11",
            "UPDATE shop.customers SET id = 11 WHERE id = 3000",
        ],
    ),
    (
        "DELETE and INSERT of the same key",
        &[
            "DELETE FROM shop.products WHERE id = 80",
            "INSERT INTO shop.products (id, sku, name, category, price) \
             VALUES (80, 'AGAIN-80', '다시 돌아온 찻잔', 'kitchen', 1.10)",
        ],
    ),
    (
        "One transaction over three tables",
        &[
            "START TRANSACTION",
            "INSERT INTO shop.orders (id, customer_id, total, note, ordered_at) \
             VALUES (10000, 1000, 93.40, '선물 포장 🎁', '2025-05-05 06:00:00.000001')",
            "INSERT INTO shop.order_items VALUES (10000, 1, 1, 1, 28.50, NULL), \
             (10000, 2, 2, 1, 64.90, '축하해요')",
            "UPDATE shop.products SET stock = stock - 1 WHERE id IN (1, 2)",
            "COMMIT",
        ],
    ),
    (
        "A transaction that is rolled back",
        &[
            "START TRANSACTION",
            "DELETE FROM shop.orders",
            "UPDATE shop.products SET price = 0",
            "ROLLBACK",
        ],
    ),
    (
        "ALTER TABLE … ADD COLUMN while rowcast runs",
        &[
            "ALTER TABLE shop.products ADD COLUMN rating DECIMAL(3, 1) NULL AFTER price",
            "UPDATE shop.products SET rating = 4.5 WHERE id <= 10",
        ],
    ),
    (
        "An insert into the table as it is now",
        &["INSERT INTO shop.products (sku, name, category, price, rating) \
           VALUES ('NEW-0001', 'Kite 🪁', 'toy', 12.00, 5.0)"],
    ),
];

/// A connection that changes rows.
pub(super) struct Traffic {
    connection: Conn,
    changes: u64,
}

impl Traffic {
    pub(super) async fn start(mysql: &Pool) -> Result<Self, DemoError> {
        Ok(Self { connection: connect(mysql).await?, changes: 0 })
    }

    /// Runs statements one after the other.
    pub(super) async fn run(&mut self, statements: &[&str]) -> Result<(), DemoError> {
        for statement in statements {
            let done = self.connection.query_drop(*statement).await;
            done.map_err(refused("change rows"))?;
        }
        Ok(())
    }

    /// Inserts a customer and gives its key.
    pub(super) async fn insert_customer(&mut self) -> Result<u64, DemoError> {
        self.run(&["INSERT INTO shop.customers (name, city, created_at) \
                    VALUES ('새 고객', '서울', now(6))"])
            .await?;
        Ok(self.connection.last_insert_id().unwrap_or_default())
    }

    /// Makes the next of the mixed changes. They go round, so that no table grows for ever.
    pub(super) async fn change(&mut self) -> Result<(), DemoError> {
        let number = self.changes;
        self.changes += 1;
        let (round, row) = (number % 10, number / 10);
        // The first four customers and products stay as they are: they are there to be looked at.
        let (customer, product, order) = (5 + row % 145, 5 + row % 75, 1 + row % 300);
        let key = 1_000_000 + row % 1000;
        let statements: Vec<String> = match round {
            0 => vec![
                "START TRANSACTION".to_owned(),
                format!("DELETE FROM shop.order_items WHERE order_id = {key}"),
                format!(
                    "REPLACE INTO shop.orders (id, customer_id, total, ordered_at) \
                     VALUES ({key}, {customer}, {row}.25, now(6))"
                ),
                format!(
                    "INSERT INTO shop.order_items VALUES \
                     ({key}, 1, {product}, 1, 1.25, NULL), ({key}, 2, {product}, 2, 2.50, '🎀')"
                ),
                "COMMIT".to_owned(),
            ],
            1 => vec![format!(
                "UPDATE shop.orders SET status = 'paid', paid_at = now(3) WHERE id = {key}"
            )],
            2 => vec![format!("UPDATE shop.products SET stock = stock - 1 WHERE id = {product}")],
            3 => vec![format!("DELETE FROM shop.order_items WHERE order_id = {key} AND line = 2")],
            4 => vec![format!(
                "UPDATE shop.customers SET loyalty_points = {row}, updated_at = now(), \
                 preferences = JSON_OBJECT('round', {row}, 'ratio', {row} / 8) \
                 WHERE id = {customer}"
            )],
            5 => vec![format!("UPDATE shop.orders SET note = '메모 {row} ✏️' WHERE id = {order}")],
            6 => vec![format!(
                "UPDATE shop.order_items SET line = IF(line = 1, 5, 1) \
                 WHERE order_id = {key} AND line IN (1, 5)"
            )],
            7 => vec![format!(
                "UPDATE shop.products SET thumbnail = UNHEX(LPAD(HEX({row}), 8, '0')), \
                 weight_kg = {row} / 3 WHERE id = {product}"
            )],
            8 => vec![
                "START TRANSACTION".to_owned(),
                format!("DELETE FROM shop.orders WHERE id = {key}"),
                "ROLLBACK".to_owned(),
            ],
            _ => vec![format!("DELETE FROM shop.orders WHERE id = {} AND {row} % 3 = 0", key - 1)],
        };
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        self.run(&statements).await
    }

    /// How many mixed changes were made.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }
}

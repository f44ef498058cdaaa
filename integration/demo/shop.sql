-- The sample database `shop`: what `cargo demo` loads, and what docker compose seeds MySQL with.
-- Everything here is the same on each run; rows are numbered, not drawn.

SET NAMES utf8mb4;
SET time_zone = '+00:00';
SET SESSION cte_max_recursion_depth = 10000;

CREATE DATABASE shop CHARACTER SET utf8mb4;

CREATE TABLE shop.customers (
  id             INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name           VARCHAR(100) NOT NULL,
  email          VARCHAR(200),
  city           VARCHAR(60),
  birth_date     DATE,
  is_subscribed  BOOL NOT NULL DEFAULT FALSE,
  loyalty_points BIGINT UNSIGNED NOT NULL DEFAULT 0,
  preferences    JSON,
  created_at     DATETIME(6) NOT NULL,
  updated_at     TIMESTAMP NULL
);

CREATE TABLE shop.products (
  id          INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  sku         VARCHAR(20) NOT NULL UNIQUE,
  name        VARCHAR(200) NOT NULL,
  description TEXT,
  category    ENUM('book', 'kitchen', 'music', 'toy') NOT NULL,
  price       DECIMAL(10, 2) NOT NULL,
  weight_kg   DOUBLE,
  stock       INT NOT NULL DEFAULT 0,
  is_active   BOOL NOT NULL DEFAULT TRUE,
  attributes  JSON,
  thumbnail   BLOB,
  released_on DATE
);

CREATE TABLE shop.orders (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  status      ENUM('new', 'paid', 'shipped', 'cancelled') NOT NULL DEFAULT 'new',
  total       DECIMAL(12, 2) NOT NULL,
  note        VARCHAR(500),
  ordered_at  DATETIME(6) NOT NULL,
  paid_at     TIMESTAMP(3) NULL,
  KEY (customer_id)
);

CREATE TABLE shop.order_items (
  order_id   BIGINT UNSIGNED NOT NULL,
  line       SMALLINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity   INT NOT NULL,
  unit_price DECIMAL(10, 2) NOT NULL,
  gift_note  VARCHAR(200),
  PRIMARY KEY (order_id, line),
  KEY (product_id)
);

-- Rows that show one thing each.

INSERT INTO shop.customers VALUES
  (1, '김민준', 'minjun@example.com', '서울', '1990-03-14', TRUE, 12500,
   '{"theme": "dark", "languages": ["ko", "en"], "newsletter": {"weekly": true}}',
   '2024-01-15 09:30:00.123456', '2024-06-01 00:00:00'),
  (2, '이서연', 'seoyeon@example.com', '부산', '1985-11-02', FALSE, 0, '{"theme": "light"}',
   '2024-02-20 18:05:10.000001', NULL),
  (3, 'Zoë Müller 🚲', NULL, 'Zürich', NULL, TRUE, 18446744073709551615, NULL,
   '2024-02-29 23:59:59.999999', '2024-12-31 23:59:59'),
  (4, 'O''Brien "the \\ slash"', 'obrien@example.com', 'Cork', '1000-01-01', FALSE,
   9007199254740993, '{}', '1999-12-31 00:00:00.000000', NULL);

INSERT INTO shop.products VALUES
  (1, 'BOOK-0001', '한국 요리 책', '김치와 비빔밥을 집에서 만드는 방법. 사진 200장 📸', 'book', 28.50, 1.25, 40,
   TRUE, '{"pages": 320, "isbn": "978-0-00-000000-1", "price_krw": 38000.50}',
   0x89504E470D0A1A0A, '2023-05-01'),
  (2, 'KITC-0001', '무쇠 프라이팬', 'A cast iron pan for rice, fish and 김치전 🍳', 'kitchen', 64.90, 2.8, 15,
   TRUE, '{"diameter_cm": 26, "induction": true}', NULL, '2022-09-15'),
  (3, 'TOYS-0001', 'Wooden train 🚂', 'A small wooden train; no batteries.', 'toy', 19.99, NULL, 0,
   FALSE, NULL, '', NULL),
  (4, 'MUSI-0001', 'Piano for beginners', 'Fifty easy pieces for piano, with fingering.', 'music',
   0.01, 0.1, 1000000, TRUE, '{"level": 1, "tags": ["piano", "easy"]}', 0x00FF, '2020-02-29');

-- The many. `n` runs over a range; names and numbers follow from it.

INSERT INTO shop.customers
  (name, email, city, birth_date, is_subscribed, loyalty_points, preferences, created_at, updated_at)
WITH RECURSIVE numbers (n) AS (SELECT 5 UNION ALL SELECT n + 1 FROM numbers WHERE n < 150)
SELECT CONCAT(ELT(1 + n % 5, '박지우', '최하은', 'Ada', 'Grace', 'Linus'), ' ', n),
       IF(n % 7 = 0, NULL, CONCAT('customer', n, '@example.com')),
       ELT(1 + n % 6, '서울', '부산', '대구', 'Berlin', 'Paris', 'Oslo'),
       IF(n % 11 = 0, NULL, DATE '1950-01-01' + INTERVAL n * 97 DAY),
       n % 3 = 0,
       n * 1000003,
       IF(n % 4 = 0, NULL, JSON_OBJECT('theme', IF(n % 2 = 0, 'dark', 'light'), 'visits', n)),
       TIMESTAMP '2024-01-01 00:00:00' + INTERVAL n * 3671 SECOND + INTERVAL n MICROSECOND,
       IF(n % 5 = 0, NULL, TIMESTAMP '2024-06-01 00:00:00' + INTERVAL n HOUR)
FROM numbers;

INSERT INTO shop.products
  (sku, name, description, category, price, weight_kg, stock, is_active, attributes, thumbnail,
   released_on)
WITH RECURSIVE numbers (n) AS (SELECT 5 UNION ALL SELECT n + 1 FROM numbers WHERE n < 80)
SELECT CONCAT('ITEM-', LPAD(n, 4, '0')),
       CONCAT(ELT(1 + n % 4, '찻잔', 'Puzzle', 'Guitar strings', '그림책'), ' No. ', n),
       IF(n % 9 = 0, NULL, CONCAT('Made by hand, batch ', n, ELT(1 + n % 3, ' 🎁', '', '. 수제품'))),
       ELT(1 + n % 4, 'kitchen', 'toy', 'music', 'book'),
       n * 1.37,
       IF(n % 8 = 0, NULL, n / 7),
       n * 13 % 97,
       n % 10 <> 0,
       JSON_OBJECT('batch', n, 'ratio', n / 8, 'colours', JSON_ARRAY('red', 'blue')),
       IF(n % 2 = 0, NULL, UNHEX(LPAD(HEX(n * 65537), 8, '0'))),
       DATE '2020-01-01' + INTERVAL n * 31 DAY
FROM numbers;

INSERT INTO shop.orders (customer_id, status, total, note, ordered_at, paid_at)
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 300)
SELECT 1 + n * 7 % 150,
       ELT(1 + n % 4, 'new', 'paid', 'shipped', 'cancelled'),
       n * 17.89 + 5,
       ELT(1 + n % 5, NULL, '문 앞에 놓아 주세요', 'Ring twice', '', '🎂 birthday present'),
       TIMESTAMP '2024-03-01 08:00:00' + INTERVAL n * 61 MINUTE + INTERVAL n * 999 MICROSECOND,
       IF(n % 4 IN (1, 2), TIMESTAMP '2024-03-02 00:00:00.250' + INTERVAL n HOUR, NULL)
FROM numbers;

INSERT INTO shop.order_items (order_id, line, product_id, quantity, unit_price, gift_note)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 749)
SELECT 1 + n % 300, 1 + n DIV 300, 1 + n * 11 % 80, 1 + n % 3, (1 + n * 11 % 80) * 1.37,
       IF(n % 6 = 0, CONCAT('축하합니다 🎉 ', n), NULL)
FROM numbers;

-- The user that rowcast reads as: it is a replica, and reads the tables once.

CREATE USER rowcast IDENTIFIED BY 'rowcast';
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO rowcast;
GRANT SELECT ON shop.* TO rowcast;

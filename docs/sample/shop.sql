-- A small shop, for evaluating text-to-SQL models (docs/ask.md). To make a database of it:
--
--     sqlite3 shop.db < shop.sql
--
-- Prices are in cents, dates in UTC as YYYY-MM-DD. Nothing in it is real.
BEGIN;

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  country TEXT NOT NULL, -- its English name
  created_at TEXT NOT NULL -- YYYY-MM-DD
);

CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  category TEXT NOT NULL, -- books, garden, kitchen, office or toys
  price_cents INTEGER NOT NULL -- today's
);

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers(id),
  status TEXT NOT NULL, -- paid, shipped, delivered or cancelled
  placed_at TEXT NOT NULL -- YYYY-MM-DD
);

CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders(id),
  product_id INTEGER NOT NULL REFERENCES products(id),
  quantity INTEGER NOT NULL,
  unit_cents INTEGER NOT NULL, -- the price that was paid for one
  PRIMARY KEY (order_id, product_id)
);

INSERT INTO customers (id, name, country, created_at) VALUES
  (1, 'Ada Brandt', 'Germany', '2023-01-03'),
  (2, 'Bela Novak', 'Czechia', '2023-02-18'),
  (3, 'Carla Rossi', 'Italy', '2023-05-14'),
  (4, 'Dag Lund', 'Norway', '2023-06-04'),
  (5, 'Elif Kaya', 'Turkey', '2023-08-22'),
  (6, 'Femi Okoro', 'Nigeria', '2023-09-04'),
  (7, 'Greta Holm', 'Sweden', '2023-09-28'),
  (8, 'Hugo Martin', 'France', '2023-10-19'),
  (9, 'Ines Costa', 'Portugal', '2024-01-08'),
  (10, 'Jonas Weber', 'Germany', '2024-01-27'),
  (11, 'Kaya Demir', 'Turkey', '2024-03-13'),
  (12, 'Lena Fischer', 'Germany', '2024-07-03'),
  (13, 'Marco Rossi', 'Italy', '2024-08-19'),
  (14, 'Nora Dahl', 'Norway', '2025-01-03'),
  (15, 'Omar Haddad', 'France', '2025-01-17'),
  (16, 'Petra Novak', 'Czechia', '2025-01-20'),
  (17, 'Quinn Baker', 'Ireland', '2025-02-08'),
  (18, 'Rosa Silva', 'Portugal', '2025-02-12'),
  (19, 'Sven Berg', 'Norway', '2025-03-04'),
  (20, 'Tara O''Neil', 'Ireland', '2025-05-18'),
  (21, 'Uwe Krause', 'Germany', '2025-07-25'),
  (22, 'Vera Costa', 'Portugal', '2025-10-21'),
  (23, 'Wim Jansen', 'Netherlands', '2025-11-19'),
  (24, 'Yara Silva', 'Portugal', '2025-12-03');

INSERT INTO products (id, name, category, price_cents) VALUES
  (1, 'Atlas of rivers', 'books', 4250),
  (2, 'Bread knife', 'kitchen', 2790),
  (3, 'Chess set', 'toys', 3900),
  (4, 'Desk lamp', 'office', 5600),
  (5, 'Espresso pot', 'kitchen', 3450),
  (6, 'Fountain pen', 'office', 7800),
  (7, 'Garden fork', 'garden', 2990),
  (8, 'Hedge shears', 'garden', 4120),
  (9, 'Ink, blue', 'office', 890),
  (10, 'Jigsaw puzzle', 'toys', 1850),
  (11, 'Kite', 'toys', 2400),
  (12, 'Larch birdhouse', 'garden', 3275),
  (13, 'Mortar and pestle', 'kitchen', 2650),
  (14, 'Notebook, lined', 'office', 650),
  (15, 'Owl stories', 'books', 1690),
  (16, 'Poems of the sea', 'books', 1420),
  (17, 'Rain gauge', 'garden', 1150),
  (18, 'Saucepan', 'kitchen', 6900);

INSERT INTO orders (id, customer_id, status, placed_at) VALUES
  (1, 20, 'paid', '2025-01-01'),
  (2, 2, 'delivered', '2025-01-19'),
  (3, 16, 'delivered', '2025-01-24'),
  (4, 17, 'delivered', '2025-02-15'),
  (5, 11, 'delivered', '2025-02-26'),
  (6, 1, 'delivered', '2025-03-05'),
  (7, 3, 'delivered', '2025-03-05'),
  (8, 5, 'delivered', '2025-03-05'),
  (9, 18, 'delivered', '2025-03-15'),
  (10, 16, 'delivered', '2025-04-01'),
  (11, 16, 'delivered', '2025-04-22'),
  (12, 18, 'delivered', '2025-06-07'),
  (13, 4, 'delivered', '2025-06-22'),
  (14, 17, 'delivered', '2025-07-11'),
  (15, 5, 'cancelled', '2025-07-13'),
  (16, 8, 'paid', '2025-07-24'),
  (17, 10, 'delivered', '2025-07-28'),
  (18, 10, 'delivered', '2025-08-05'),
  (19, 13, 'delivered', '2025-08-12'),
  (20, 22, 'delivered', '2025-08-21'),
  (21, 19, 'delivered', '2025-08-25'),
  (22, 9, 'delivered', '2025-08-27'),
  (23, 22, 'paid', '2025-08-28'),
  (24, 18, 'delivered', '2025-09-01'),
  (25, 24, 'cancelled', '2025-09-24'),
  (26, 9, 'delivered', '2025-10-10'),
  (27, 11, 'delivered', '2025-10-11'),
  (28, 24, 'cancelled', '2025-11-04'),
  (29, 19, 'delivered', '2025-12-09'),
  (30, 5, 'paid', '2025-12-11'),
  (31, 12, 'delivered', '2025-12-13'),
  (32, 9, 'cancelled', '2025-12-14'),
  (33, 4, 'shipped', '2025-12-21'),
  (34, 10, 'delivered', '2026-01-05'),
  (35, 4, 'paid', '2026-01-07'),
  (36, 18, 'delivered', '2026-01-07'),
  (37, 13, 'delivered', '2026-01-08'),
  (38, 3, 'delivered', '2026-01-11'),
  (39, 20, 'delivered', '2026-01-18'),
  (40, 18, 'delivered', '2026-01-22'),
  (41, 8, 'delivered', '2026-01-25'),
  (42, 18, 'delivered', '2026-01-27'),
  (43, 8, 'delivered', '2026-02-04'),
  (44, 10, 'paid', '2026-02-12'),
  (45, 8, 'paid', '2026-02-14'),
  (46, 5, 'delivered', '2026-02-15'),
  (47, 8, 'delivered', '2026-02-21'),
  (48, 13, 'cancelled', '2026-02-23'),
  (49, 19, 'delivered', '2026-02-23'),
  (50, 4, 'delivered', '2026-02-25'),
  (51, 14, 'shipped', '2026-03-03'),
  (52, 17, 'paid', '2026-03-08'),
  (53, 12, 'cancelled', '2026-03-20'),
  (54, 11, 'delivered', '2026-03-23'),
  (55, 20, 'delivered', '2026-03-23'),
  (56, 8, 'delivered', '2026-03-24'),
  (57, 13, 'delivered', '2026-04-04'),
  (58, 4, 'cancelled', '2026-04-06'),
  (59, 14, 'delivered', '2026-04-07'),
  (60, 1, 'delivered', '2026-04-09'),
  (61, 20, 'delivered', '2026-04-13'),
  (62, 18, 'delivered', '2026-04-16'),
  (63, 22, 'cancelled', '2026-04-26'),
  (64, 4, 'delivered', '2026-05-01'),
  (65, 17, 'delivered', '2026-05-05'),
  (66, 20, 'shipped', '2026-05-08'),
  (67, 21, 'shipped', '2026-06-05'),
  (68, 20, 'shipped', '2026-06-08'),
  (69, 22, 'delivered', '2026-06-12'),
  (70, 16, 'cancelled', '2026-06-13'),
  (71, 10, 'delivered', '2026-06-22'),
  (72, 1, 'delivered', '2026-06-28');

INSERT INTO order_items (order_id, product_id, quantity, unit_cents) VALUES
  (1, 3, 2, 3510), (1, 5, 1, 3450), (1, 17, 3, 1150), (2, 3, 1, 3900), (2, 7, 1, 2990),
  (2, 10, 2, 1850), (3, 3, 1, 3900), (4, 10, 3, 1665), (5, 4, 1, 5600), (6, 10, 1, 1665),
  (6, 11, 1, 2400), (7, 2, 3, 2511), (8, 5, 2, 3450), (8, 7, 2, 2990), (9, 1, 5, 4250),
  (9, 2, 1, 2790), (9, 13, 2, 2650), (9, 17, 2, 1150), (10, 10, 1, 1850), (10, 14, 1, 650),
  (11, 5, 2, 3450), (11, 6, 2, 7020), (11, 7, 1, 2990), (12, 14, 2, 650), (13, 9, 1, 890),
  (14, 10, 1, 1850), (15, 1, 1, 4250), (15, 4, 1, 5600), (15, 5, 2, 3450), (15, 12, 2, 3275),
  (16, 3, 1, 3510), (17, 5, 1, 3450), (17, 11, 3, 2400), (18, 14, 2, 650), (19, 11, 1, 2400),
  (19, 13, 2, 2650), (20, 13, 1, 2650), (20, 15, 2, 1690), (21, 1, 2, 4250), (21, 15, 5, 1690),
  (22, 1, 2, 3825), (22, 3, 1, 3900), (23, 2, 1, 2511), (23, 12, 1, 3275), (24, 3, 3, 3900),
  (24, 13, 1, 2385), (25, 5, 1, 3105), (25, 14, 1, 650), (25, 18, 5, 6900), (26, 2, 2, 2790),
  (26, 14, 2, 650), (27, 3, 1, 3510), (27, 11, 1, 2400), (28, 1, 1, 3825), (28, 9, 2, 890),
  (29, 10, 1, 1850), (29, 11, 5, 2400), (29, 13, 1, 2650), (30, 18, 1, 6210), (31, 5, 3, 3450),
  (31, 7, 1, 2990), (31, 17, 1, 1035), (32, 5, 3, 3450), (32, 11, 1, 2400), (32, 12, 1, 3275),
  (32, 15, 1, 1521), (33, 7, 1, 2990), (33, 17, 1, 1150), (34, 1, 1, 4250), (34, 6, 1, 7800),
  (34, 14, 2, 585), (35, 3, 5, 3900), (36, 13, 1, 2650), (36, 17, 1, 1035), (37, 3, 1, 3900),
  (37, 11, 1, 2400), (37, 12, 5, 3275), (38, 10, 2, 1850), (38, 14, 2, 585), (38, 17, 2, 1150),
  (39, 9, 3, 801), (39, 11, 1, 2160), (40, 5, 5, 3450), (40, 11, 2, 2400), (41, 2, 1, 2511),
  (41, 14, 3, 650), (42, 9, 5, 890), (42, 18, 1, 6900), (43, 3, 1, 3510), (44, 5, 1, 3450),
  (44, 13, 3, 2385), (45, 7, 2, 2990), (45, 18, 1, 6900), (46, 2, 1, 2790), (46, 7, 1, 2990),
  (47, 1, 3, 4250), (47, 3, 1, 3900), (47, 7, 1, 2691), (47, 18, 2, 6900), (48, 4, 1, 5040),
  (48, 14, 2, 650), (48, 17, 2, 1150), (49, 2, 1, 2790), (49, 17, 1, 1150), (50, 3, 1, 3900),
  (50, 5, 1, 3450), (50, 11, 3, 2400), (50, 12, 1, 2947), (51, 1, 1, 4250), (51, 10, 2, 1850),
  (51, 18, 1, 6900), (52, 9, 1, 801), (53, 1, 3, 3825), (53, 2, 1, 2790), (54, 15, 1, 1690),
  (55, 12, 1, 3275), (56, 1, 2, 4250), (56, 14, 1, 585), (57, 7, 1, 2990), (58, 2, 1, 2790),
  (58, 11, 1, 2400), (58, 18, 3, 6900), (59, 14, 1, 585), (60, 1, 1, 4250), (60, 15, 2, 1690),
  (61, 2, 1, 2790), (61, 4, 3, 5040), (62, 2, 2, 2790), (62, 5, 1, 3450), (62, 12, 1, 2947),
  (63, 15, 1, 1690), (64, 6, 2, 7800), (64, 7, 1, 2990), (64, 14, 1, 650), (64, 18, 1, 6900),
  (65, 1, 1, 4250), (65, 18, 1, 6900), (66, 2, 1, 2790), (66, 17, 1, 1035), (67, 5, 5, 3450),
  (67, 13, 2, 2385), (68, 1, 1, 4250), (68, 5, 3, 3450), (68, 10, 2, 1665), (69, 17, 1, 1150),
  (70, 15, 1, 1690), (71, 1, 1, 4250), (71, 14, 1, 650), (72, 12, 2, 3275);

COMMIT;

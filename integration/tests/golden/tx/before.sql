drop database if exists g_tx; create database g_tx character set utf8mb4; use g_tx;
create table s0 (id int not null primary key, v int); create table s1 (id int not null primary key, v int); create table s3 (id int not null primary key, v int);
insert into s1 values(1,1); insert into s3 values(1,1),(2,2),(3,3);

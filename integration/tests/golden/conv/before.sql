drop database if exists g_conv; create database g_conv character set utf8mb4; use g_conv;
create table ok (id int not null primary key, t time, v int);
create table bad (id int not null primary key, t time, v int);
create table badn (id int not null primary key, t time not null, v int);
insert into ok values(1,'12:00:00',1); insert into bad values(1,'25:00:00',1),(2,'12:00:00',2);

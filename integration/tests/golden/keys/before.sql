drop database if exists g_keys; create database g_keys character set utf8mb4; use g_keys;
create table a (id int not null primary key, x int not null, y varchar(10), z int);
create table b (id int not null primary key, x bigint unsigned, d datetime(3) default '2020-01-02 03:04:05.6');
create table c (x int, v varchar(5));
create table cpk (p int not null, q varchar(5) not null, v int, primary key(q,p));
insert into a values(1,10,'y1',1),(2,20,null,2); insert into b values(1,100,default); insert into c values(1,'c'),(null,'n'); insert into cpk values(1,'q',1);

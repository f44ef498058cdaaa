drop database if exists g_unwrap; create database g_unwrap character set utf8mb4; use g_unwrap;
create table a (id int not null primary key, s varchar(20), n int not null default 7, d datetime(3) default '2020-01-02 03:04:05.6');
create table r (k varchar(10) not null, k2 int not null, dest varchar(30), v int, primary key(k,k2));
create table nokey (a int, b varchar(5));
insert into a(id,s) values(1,'one'),(2,null);
insert into r values('x',1,'uw_route.dest-one',1);
insert into nokey values(1,'x');

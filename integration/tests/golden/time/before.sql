drop database if exists g_time; create database g_time character set utf8mb4; use g_time;
set time_zone='+00:00'; set timestamp=1700000000.123456;
create table t (
 id int not null primary key,
 d date, t0 time, t1 time(1), t3 time(3), t6 time(6),
 dt0 datetime, dt2 datetime(2), dt3 datetime(3), dt4 datetime(4), dt6 datetime(6),
 ts0 timestamp null, ts2 timestamp(2) null, ts3 timestamp(3) null, ts6 timestamp(6) null, y year);
create table x (
 id int not null primary key,
 d date, t0 time, t1 time(1), t3 time(3), t6 time(6),
 dt0 datetime, dt2 datetime(2), dt3 datetime(3), dt4 datetime(4), dt6 datetime(6),
 ts0 timestamp null, ts2 timestamp(2) null, ts3 timestamp(3) null, ts6 timestamp(6) null, y year);
create table def (
 id int not null primary key,
 d date default '2020-01-02', dn date not null default '1000-01-01', dx date not null default '9999-12-31', dnull date default null,
 t0 time default '01:02:03', t0n time not null default '23:59:59', t3n time(3) not null default '01:02:03.4', t6 time(6) default '00:00:00.000001', t6n time(6) not null default '12:34:56.789012',
 dt0 datetime default '2020-01-02 03:04:05', dt0n datetime not null default '1900-01-01 00:00:00', dt3n datetime(3) not null default '2020-01-02 03:04:05.12', dt6 datetime(6) default '2262-04-11 23:47:16.854775', dt6n datetime(6) not null default '2020-01-02 03:04:05.000001',
 ts0 timestamp null default '2020-01-02 03:04:05', ts0n timestamp not null default '1970-01-01 00:00:01', ts3n timestamp(3) not null default '2020-01-02 03:04:05.12', ts6n timestamp(6) not null default '2038-01-19 03:14:07.999999',
 tsc timestamp not null default current_timestamp, tsc6 timestamp(6) null default current_timestamp(6) on update current_timestamp(6), dtc datetime not null default now(), dtc3 datetime(3) default current_timestamp(3),
 y year default 2024, yn year not null default 1901, y0 year not null default 0);
create table def_x (id int not null primary key, dt0n datetime not null default '1000-01-01 00:00:00', dt6 datetime(6) default '9999-12-31 23:59:59.999999', t0n time not null default '-838:59:59', t6 time(6) default '838:59:59.000000');
insert into t values
 (0+1,'2024-02-29','12:34:56','12:34:56.7','12:34:56.789','12:34:56.789012','2024-02-29 12:34:56','2024-02-29 12:34:56.78','2024-02-29 12:34:56.789','2024-02-29 12:34:56.7890','2024-02-29 12:34:56.789012','2024-02-29 12:34:56','2024-02-29 12:34:56.78','2024-02-29 12:34:56.789','2024-02-29 12:34:56.789012',2024),
 (0+2,'1970-01-01','00:00:00.1','00:00:00.1','00:00:00.1','00:00:00.1','2024-01-01 00:00:00.1','2024-01-01 00:00:00.1','2024-01-01 00:00:00.1','2024-01-01 00:00:00.1','2024-01-01 00:00:00.1','2024-01-01 00:00:00.1','2024-01-01 00:00:00.1','2024-01-01 00:00:00.1','2024-01-01 00:00:00.1',1970),
 (0+3,'1969-12-31','00:00:00','00:00:00.1','00:00:00.120','00:00:00.120','2024-01-01 00:00:00','2024-01-01 00:00:00.120','2024-01-01 00:00:00.120','2024-01-01 00:00:00.120','2024-01-01 00:00:00.120','2024-01-01 00:00:00','2024-01-01 00:00:00.120','2024-01-01 00:00:00.120','2024-01-01 00:00:00.120',1999),
 (0+4,'2000-02-29','23:59:59','23:59:59.9','00:00:00.001','00:00:00.000001','1970-01-01 00:00:00','2024-01-01 00:00:00.01','2024-01-01 00:00:00.001','2024-01-01 00:00:00.0001','2024-01-01 00:00:00.000001','2024-01-01 00:00:00','2024-01-01 00:00:00.01','2024-01-01 00:00:00.001','2024-01-01 00:00:00.000001',2000),
 (0+5,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null),
 (0+6,'1900-03-01','00:00:01','00:01:00','01:00:00','23:59:59.999999','1969-12-31 23:59:59','1969-12-31 23:59:59.99','1969-12-31 23:59:59.999','1969-12-31 23:59:59.9999','1969-12-31 23:59:59.999999','2024-06-30 12:00:00','2024-06-30 12:00:00','2024-06-30 12:00:00','2024-06-30 12:00:00',2155);
insert into x values (0+1,'1000-01-01','-838:59:59','-838:59:59.0','-838:59:59.000','-838:59:59.000000','1000-01-01 00:00:00','1000-01-01 00:00:00.00','1000-01-01 00:00:00.000','1000-01-01 00:00:00.0000','1000-01-01 00:00:00.000000','1970-01-01 00:00:01','1970-01-01 00:00:01.00','1970-01-01 00:00:01.000','1970-01-01 00:00:01.000000',1901);
insert into x values (0+2,'9999-12-31','838:59:59','838:59:59.0','838:59:59.000','838:59:59.000000','9999-12-31 23:59:59','9999-12-31 23:59:59.99','9999-12-31 23:59:59.999','9999-12-31 23:59:59.9999','9999-12-31 23:59:59.999999','2038-01-19 03:14:07','2038-01-19 03:14:07.99','2038-01-19 03:14:07.999','2038-01-19 03:14:07.999999',2155);
insert into x set id=0+3,t0='24:00:00',t1='24:00:00.1',t3='24:00:00.001',t6='24:00:00.000001',d='1582-10-15',dt0='1582-10-15 00:00:00',dt6='2262-04-11 23:47:16.854775',dt3='1677-09-21 00:12:43.146';
insert into x set id=0+4,t0='-00:00:01',t1='-00:00:00.1',t3='-00:00:00.001',t6='-00:00:00.000001',d='1582-10-04',dt0='1582-10-04 12:00:00',dt6='2262-04-11 23:47:16.854776',dt3='1677-09-21 00:12:43.145';
insert into x set id=0+5,t0='-01:02:03',t1='-25:02:03.5',t3='-100:02:03.456',t6='-01:02:03.456789',d='1883-11-18',dt0='1883-11-18 12:00:00',dt6='1600-01-01 00:00:00.000001',dt3='2300-01-01 00:00:00.001';
insert into def(id) values(0+1);
insert into def(id,d,dnull,t0,t6,dt0,dt6,ts0,tsc6,dtc3,y) values(0+2,null,null,null,null,null,null,null,null,null,null);
insert into def_x(id) values(1);
insert into def_x(id,dt6,t6) values(2,null,null);

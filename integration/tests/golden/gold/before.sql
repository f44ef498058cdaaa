drop database if exists gold; create database gold character set utf8mb4;
use gold;
create table t_all (
 id bigint not null auto_increment primary key,
 c_tinyint tinyint, c_tinyint1 tinyint(1), c_tinyint_u tinyint unsigned, c_bool boolean,
 c_smallint smallint, c_smallint_u smallint unsigned, c_mediumint mediumint, c_mediumint_u mediumint unsigned,
 c_int int, c_int_u int unsigned, c_bigint bigint, c_bigint_u bigint unsigned,
 c_float float, c_float24 float(24), c_float_md float(7,3), c_double double, c_double_md double(12,4),
 c_decimal decimal(10,2), c_decimal_big decimal(38,10), c_decimal_0 decimal(5,0), c_numeric_u decimal(20,4) unsigned,
 c_bit1 bit(1), c_bit8 bit(8), c_bit10 bit(10), c_bit64 bit(64),
 c_char char(10), c_varchar varchar(100), c_varchar_l1 varchar(20) character set latin1,
 c_binary binary(5), c_varbinary varbinary(20),
 c_tinytext tinytext, c_text text, c_mediumtext mediumtext, c_longtext longtext,
 c_tinyblob tinyblob, c_blob blob, c_mediumblob mediumblob, c_longblob longblob,
 c_date date, c_time time, c_time3 time(3), c_time6 time(6), c_datetime datetime, c_datetime3 datetime(3), c_datetime6 datetime(6),
 c_timestamp timestamp null, c_timestamp3 timestamp(3) null, c_timestamp6 timestamp(6) null, c_year year,
 c_enum enum('a','b','c,d'), c_set set('x','y','z'), c_json json,
 c_geometry geometry, c_point point, c_linestring linestring, c_vector vector(3)
);
create table t_notnull_def (
 id int not null primary key,
 a int not null default 7, b int default 5, s varchar(20) not null default 'dflt', sn varchar(20) default 'x', 
 d decimal(8,2) not null default 1.50, dn decimal(8,2) default 2.25, bt bit(1) not null default b'1', bt8 bit(8) default b'101',
 dt datetime not null default '2020-01-02 03:04:05', dt6 datetime(6) default '2020-01-02 03:04:05.123456', da date not null default '2020-01-02', ti time not null default '01:02:03', 
 ts timestamp not null default '2020-01-02 03:04:05', ts_now timestamp not null default current_timestamp, tsn timestamp null default current_timestamp on update current_timestamp, dt_now datetime not null default current_timestamp,
 e enum('m','n') not null default 'n', st set('p','q') not null default 'p,q', bl tinyint(1) not null default 1, ti_u tinyint unsigned not null default 200, f float not null default 1.5, db double default 2.5, y year not null default 2021, bu bigint unsigned not null default 18446744073709551615,
 bin binary(3) not null default 'ab', vb varbinary(5) default 'xyz', expr varchar(40) not null default (concat('a','b')), j json default (json_array()),
 gen int generated always as (a+1) virtual, gens int generated always as (a+2) stored, comm int comment 'a comment'
);
create table t_cpk (k1 int not null, k2 varchar(10) not null, v varchar(20), primary key(k2,k1));
create table t_uk (u int not null unique, v varchar(20));
create table t_nopk (a int, b varchar(10));
create table t_bpk (k binary(4) not null primary key, v int unsigned);
create table t_dpk (k decimal(10,2) not null, d datetime(3) not null, b bigint unsigned not null, primary key(k,d,b));
create table `t-odd name$1` (`id` int primary key, `col-1 x` int, `1st` int, `ünï` int);
create table t_alter (id int primary key, a int);
set timestamp=1795227103;
insert into t_cpk values(100,'snap','s'); insert into t_notnull_def(id) values(100);

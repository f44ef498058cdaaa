drop database if exists g_mask; create database g_mask character set utf8mb4; use g_mask; set time_zone='+00:00';
create table t (
 id int not null primary key,
 v varchar(20), vn varchar(20) not null default 'dflt', c char(5), cn char(5) not null default 'chr', tx text, txn text not null,
 j json, e enum('aaaa','b'), en enum('aaaa','b') not null default 'aaaa', st set('xxxx','y'), i int, inn int not null default 7, vb varbinary(10), bl blob, d decimal(10,2), dt date, bg bigint, y year, ts timestamp null, db double, bt bit(1));
create table k (k varchar(20) not null primary key, v varchar(20), n int);
insert into t values
 (0+1,'hello world','hello','abc','de','some text','other text','{"a": 1}','b','b','xxxx,y',123,456,'binary','blobby',1234.5,'2024-02-29',12345678901,2024,'2024-02-29 12:34:56',1.5,b'1'),
 (0+2,null,default,null,default,null,'',null,null,default,null,null,default,null,null,null,null,null,null,null,null,null),
 (0+3,'','','','','','','[]','aaaa','aaaa','',0,0,'','',0,'1970-01-01',0,1970,'1970-01-02 00:00:01',0,b'0'),
 (0+4,'ab😀cd','é😀ü日本語','äöüß€','😀😀😀😀😀','😀😀','日','"😀"','b','b','y',-1,-2147483648,x'00ff10','x',-0.01,'9999-12-31',-1,2155,'2038-01-19 03:14:07',-1e300,b'1'),
 (0+5,'ab','abc','a','abcd','abcdef','  x ','null','b','b','y',12,1234567,'ab','abcd',10,'2000-01-01',1,1901,'2020-01-01 00:00:00',3.25,b'0');
insert into k values('key one','v',1),('k2',null,2);

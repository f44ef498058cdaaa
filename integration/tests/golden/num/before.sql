drop database if exists g_num; create database g_num character set utf8mb4; use g_num;
create table t (
 id int not null primary key,
 d65 decimal(65,30), d10 decimal(10,2), d5 decimal(5,0), du decimal(20,4) unsigned, d38 decimal(38,10), d18 decimal(18,18),
 bu bigint unsigned, bi bigint, b4 binary(4), vb varbinary(300), bl blob, tb tinyblob);
create table def (
 id int not null primary key,
 d65 decimal(65,30) default 12345678901234567890123456789012345.123456789012345678901234567890, d65n decimal(65,30) not null default -0.000000000000000000000000000001,
 d10 decimal(10,2) default 1.5, d10n decimal(10,2) not null default -1.10, d0 decimal(10,2) not null default 0, dsmall decimal(10,8) not null default 0.00000001, dneg0 decimal(8,2) not null default '-0.00', d5 decimal(5,0) default 12345, d5n decimal(5,0) not null default -7, dz decimal(7,2) zerofill not null default 3.5,
 bu bigint unsigned default 18446744073709551615, bun bigint unsigned not null default 9223372036854775808, bu1 bigint unsigned not null default 1, bus bigint unsigned not null default '42',
 b4 binary(4) default 'ab', b4n binary(4) not null default x'00ff', vb varbinary(20) default 0xAB, vbn varbinary(20) not null default 'xyz', vbe varbinary(20) not null default '', vbq varbinary(20) not null default x'fbff27225c0a',
 bl blob default (x'00ff'), bln blob not null default ('txt'));
create table k (d decimal(10,2) not null, bu bigint unsigned not null, b binary(3) not null, v int, primary key(d,bu,b));
insert into t values
 (0+1,1.1,1.10,1,1.1,1.1,0.1,1,1,'a','a','a','a'),
 (0+2,99999999999999999999999999999999999.999999999999999999999999999999,99999999.99,99999,9999999999999999.9999,9999999999999999999999999999.9999999999,0.999999999999999999,18446744073709551615,9223372036854775807,x'ffffffff',x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',x'ff'),
 (0+3,-99999999999999999999999999999999999.999999999999999999999999999999,-99999999.99,-99999,0,-9999999999999999999999999999.9999999999,-0.999999999999999999,9223372036854775808,-9223372036854775808,x'00000000','','',''),
 (0+4,0,0,0,0,0,0,0,0,'','\0','\0','\0'),
 (0+5,null,null,null,null,null,null,null,null,null,null,null,null),
 (0+6,0.000000000000000000000000000001,-0.01,-1,0.0001,0.0000000001,0.000000000000000001,9007199254740993,9007199254740993,x'fbffbf3e',x'fbffbf',x'fbffbf3e3f',x'fb'),
 (0+7,1.000000000000000000000000000000,100.00,100,100.0000,1234567890123456789.1234567890,0.1,9223372036854775807,-1,x'61620000',x'6162200000',x'00',x'2020'),
 (0+8,-0.0,0.1,10,123456.7,0.0000001,-0.000000000000000001,1000000000000000000,100,'ab  ','ab  ','ab  ','ab  ');
insert into def(id) values(0+1);
insert into def(id,d65,d10,d5,bu,b4,vb,bl) values(0+2,null,null,null,null,null,null,null);
insert into k values(1.5,18446744073709551615,'a',1);

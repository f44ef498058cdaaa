use g_tx;
begin; insert into s1 values(10,1); insert into s3 values(10,1),(11,1),(12,1); update s1 set v=2 where id=10; update s3 set id=13 where id=12; delete from s3 where id=10; insert into s0 values(1,1); commit;
insert into s0 values(2,2);
begin; insert into s0 values(3,3); rollback;
begin; insert into s3 values(20,1); savepoint a; insert into s1 values(20,1); rollback to a; commit;
create table s9 (id int primary key); insert into s9 values(1);
truncate table s9;
set gtid_next='AUTOMATIC:tagged'; insert into s0 values(50,1); set gtid_next='AUTOMATIC';

use g_unwrap;
insert into a values(10,'ten',1,null); update a set s='TEN' where id=10; update a set s='TEN' where id=10; update a set id=11,s='eleven' where id=10; delete from a where id=11;
begin; insert into a(id,s) values(20,'tx'); insert into r values('y',2,'uw_route.dest-two',2); update r set k2=3 where k='y'; delete from r where k='y'; commit;
insert into nokey values(2,'y'); update nokey set b='z' where a=2; delete from nokey where a=2;
truncate table nokey;
insert into a(id,s) values(30,'last');

use g_keys;
insert into a values(3,30,'y3',3),(4,40,null,4); update a set z=33 where id=3; update a set x=31 where id=3; update a set y='yy' where id=4; update a set y=null where id=4; update a set id=5 where id=4; update a set id=6,x=61 where id=5; delete from a where id=6;
insert into b values(2,null,null),(3,18446744073709551615,default); update b set x=5 where id=2; delete from b where id=2;
insert into c values(2,'d'); update c set v='e' where x=2; update c set x=3 where x=2; delete from c where x=3; insert into c values(null,'x'); delete from c where x is null;
insert into cpk values(2,'r',1); update cpk set v=2 where p=2; update cpk set q='s' where p=2; delete from cpk where p=2;

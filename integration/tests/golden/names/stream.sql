use g_names;
insert into odd values(2,1,2,'ü',3,4,5,6,7,8,'b');
insert into `k-t $1é` values(2,'日',1); update `k-t $1é` set `k-1`=3 where `k-1`=2; delete from `k-t $1é` where `k-1`=3;
insert into `Upper_Case` values(2,1); insert into coll values(2,1,2); insert into `1num` values(2); insert into plain values(2,2);

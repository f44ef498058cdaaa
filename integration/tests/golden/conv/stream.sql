use g_conv;
insert into ok values(2,'12:00:00',1); insert into bad values(3,'-01:00:00',1),(4,'12:00:00',2);
insert into badn values(1,'12:00:00',1); insert into ok values(3,'24:00:00',1); insert into badn values(2,'838:59:59',2); insert into ok values(4,'00:00:00',1);

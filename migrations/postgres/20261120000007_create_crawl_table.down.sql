drop table crawl_table;

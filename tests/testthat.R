library(testthat)
library(waddington)

test_check("waddington")

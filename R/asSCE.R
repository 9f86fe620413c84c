# Objects that were saved by another version of Bioconductor.

# `x` in a form that this version can work with. A newer Bioconductor keeps
# the class Seqinfo in a package of its own; here it is still GenomeInfoDb's,
# so the class is pointed back. attr() only: no method for the foreign class.
.asSCE <- function(x) {
    if (!methods::is(x, "RangedSummarizedExperiment")) {
        return(x)
    }
    ranges <- attr(x, "rowRanges")
    inner <- attr(ranges, "unlistData")
    holder <- if (is.null(inner)) ranges else inner
    if (!.isForeign(attr(holder, "seqinfo"))) {
        return(x)
    }
    info <- attr(holder, "seqinfo")
    class <- class(info)
    attr(class, "package") <- "GenomeInfoDb"
    attr(info, "class") <- class
    attr(holder, "seqinfo") <- info
    if (is.null(inner)) {
        ranges <- holder
    } else {
        attr(ranges, "unlistData") <- holder
    }
    attr(x, "rowRanges") <- ranges
    x
}

.isForeign <- function(info) {
    package <- attr(class(info), "package")
    !is.null(package) && !requireNamespace(package, quietly = TRUE)
}

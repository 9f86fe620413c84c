# The only place where Python arrays become R matrices with names.

# Latent positions, (cells, n_latent); draws come as (draws, cells, n_latent).
.latentMatrix <- function(values, cells, prefix) {
    if (length(dim(values)) == 3L) {
        values <- aperm(values, c(2L, 3L, 1L))
        axes <- paste0(prefix, seq_len(dim(values)[2L]))
        dimnames(values) <- list(cells, axes, NULL)
        return(values)
    }
    dimnames(values) <- list(cells, paste0(prefix, seq_len(ncol(values))))
    values
}

# Expression, which the bridge has turned into genes x cells already.
.expressionMatrix <- function(values, genes, cells) {
    dimnames(values) <- list(genes, cells)
    values
}

# Expression in a file, (cells, genes) there, genes x cells as R sees it.
.expressionFile <- function(file, name, genes, cells) {
    values <- HDF5Array::HDF5Array(file, name)
    dimnames(values) <- list(genes, cells)
    values
}

# The main job, from counts to figures. Run by demo.sh, or from R where the package is installed:
#
#     Rscript inst/scripts/demo.R FOLDER

suppressPackageStartupMessages({
    library(waddington)
    library(SingleCellExperiment)
    library(ggplot2)
})

out <- c(commandArgs(TRUE), "demo")[1L]
dir.create(out, showWarnings = FALSE, recursive = TRUE)
set.seed(1)

heading <- function(...) cat("\n", ..., "\n", sep = "")

savePlot <- function(plot, name, width, height) {
    file <- file.path(out, name)
    ggsave(file, plot, width = width, height = height, dpi = 150, bg = "white")
    cat("  ", file, "\n", sep = "")
}

saveTable <- function(table, name) {
    file <- file.path(out, name)
    utils::write.csv(table, file, row.names = FALSE, quote = FALSE)
    cat("  ", file, "\n", sep = "")
}

palette <- function(n) hcl.colors(n, "Dark 3")

conditions <- c(control = "grey70", stimulated = "#C8102E")

quiet <- theme_bw(base_size = 11) + theme(
    panel.grid = element_blank(), plot.title = element_text(face = "bold"),
    strip.background = element_blank(), strip.text = element_text(face = "bold")
)

# 1. Real cells: two donors, resting and stimulated -------------------------------------------

sce <- kangPBMC()
heading("The cells")
print(sce)

# 2. Train, with the donor as a batch -----------------------------------------------------------

heading("Training scVI's model")
model <- trainVAE(sce, batch = "donor", verbose = TRUE)
print(model)

heading("Written")
savePlot(plot(model), "training.png", 7, 7)
saveModel(model, file.path(out, "model.wad"), overwrite = TRUE)
saveRDS(model, file.path(out, "model.rds"))

# 3. Latent space -------------------------------------------------------------------------------

reducedDim(sce, "VAE") <- getLatent(sce, model)
reducedDim(sce, "UMAP") <- uwot::umap(
    reducedDim(sce, "VAE"), n_neighbors = 20, min_dist = 0.3, n_threads = 1, n_sgd_threads = 1
)
cells <- data.frame(
    cell = colnames(sce), as.data.frame(colData(sce)),
    UMAP1 = reducedDim(sce, "UMAP")[, 1], UMAP2 = reducedDim(sce, "UMAP")[, 2]
)
saveTable(cbind(cells, round(reducedDim(sce, "VAE"), 5)), "latent.csv")

umapOf <- function(column, title, colours) {
    shown <- cells[sample(nrow(cells)), ]
    ggplot(shown, aes(UMAP1, UMAP2, colour = .data[[column]])) +
        geom_point(size = 0.6, alpha = 0.8) +
        scale_colour_manual(values = colours, name = NULL) +
        guides(colour = guide_legend(override.aes = list(size = 3, alpha = 1), ncol = 2)) +
        labs(title = title) + quiet + theme(
            aspect.ratio = 1, legend.position = "bottom", legend.key.height = unit(11, "pt"),
            axis.text = element_blank(), axis.ticks = element_blank()
        )
}

savePlot(patchwork::wrap_plots(
    umapOf("cell_type", "Cell type", palette(nlevels(sce$cell_type))),
    umapOf("condition", "Condition", conditions),
    umapOf("donor", "Donor (the batch)", c("#1B7837", "#762A83")), nrow = 1
), "umap.png", 12, 5)

# 4. Denoised counts ----------------------------------------------------------------------------

sce <- denoise(sce, model, library = "median")
saveRDS(assay(sce, "denoised"), file.path(out, "denoised.rds"))
cat("  ", file.path(out, "denoised.rds"), "\n", sep = "")

# A gene of B cells, one of cytotoxic cells, one of monocytes, one that interferon raises in all.
markers <- c("MS4A1", "NKG7", "CD14", "ISG15")
perTenThousand <- function(counts) {
    log1p(1e4 * t(t(counts[markers, ]) / colSums(counts)))
}
expression <- do.call(rbind, lapply(c("counts", "denoised"), function(name) {
    values <- perTenThousand(assay(sce, name))
    data.frame(
        gene = rep(markers, ncol(sce)), value = as.vector(as.matrix(values)),
        assay = c(counts = "as measured", denoised = "denoised")[[name]],
        cell_type = rep(sce$cell_type, each = length(markers)),
        condition = rep(sce$condition, each = length(markers))
    )
}))
savePlot(
    ggplot(expression, aes(cell_type, value, fill = condition)) +
        geom_violin(scale = "width", linewidth = 0.2) +
        facet_grid(gene ~ assay, scales = "free_y") +
        scale_fill_manual(values = conditions, name = NULL) +
        labs(x = NULL, y = "log(1 + counts per 10,000)") + quiet +
        theme(axis.text.x = element_text(angle = 30, hjust = 1), legend.position = "top"),
    "denoised.png", 8, 7
)

# 5. A response that the model has not seen -------------------------------------------------------

held_out <- sce$cell_type == "CD4 T cells" & sce$condition == "stimulated"
heading("Training again, without the ", sum(held_out), " stimulated CD4 T cells")
blind <- trainVAE(sce[, !held_out], batch = "donor", verbose = TRUE)
predicted <- predictPerturbation(
    sce, blind, condition = "condition", from = "control", to = "stimulated",
    cell_type = "cell_type", target = "CD4 T cells"
)

heading("How well their expression is predicted, beside what needs no model")
scores <- evaluatePerturbation(predicted, observed = sce)
print(scores)

heading("Written")
saveTable(scores, "perturbation.csv")
savePlot(plotPerturbation(predicted, observed = sce), "perturbation.png", 8, 5)

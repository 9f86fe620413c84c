#' waddington: deep generative models for single-cell genomics
#'
#' Trains variational autoencoders and their relatives on the counts of a
#' SingleCellExperiment, and answers questions with them.
#'
#' @section What do you want to do?:
#' \tabular{ll}{
#'   \strong{aim} \tab \strong{function}\cr
#'   try it \tab \code{sce <- \link{kangPBMC}()}, \code{\link{mockCells}()}\cr
#'   train a model \tab \code{model <- \link{trainVAE}(sce, batch = "donor")}\cr
#'   \tab \code{model <- \link{trainGAN}(sce)}, \code{trainVAE(sce, recipe =
#'     \link{recipes}...)}\cr
#'   see whether it is any good \tab \code{model}, \code{summary(model)},
#'     \code{\link[=plot.WaddingtonModel]{plot}(model)},
#'     \code{\link{checkModel}(sce, model)}\cr
#'   cluster, find neighbours, draw a UMAP \tab \code{reducedDim(sce, "VAE")
#'     <- \link{getLatent}(sce, model)}\cr
#'   \tab \code{sce <- \link{runVAE}(sce, batch = "donor")} in one go\cr
#'   find clusters \tab \code{\link{getClusters}(sce, model)}\cr
#'   see whether batches are mixed and types kept \tab
#'     \code{\link{integrationMetrics}(sce, "batch", "cell_type")}\cr
#'   denoise expression \tab \code{sce <- \link{denoise}(sce, model)}\cr
#'   compare expression across batches \tab \code{denoise(sce, model, batch =
#'     levels(sce$donor))}\cr
#'   label cells \tab \code{sce <- \link{predictLabels}(sce, model)}\cr
#'   place new cells on a reference \tab \code{query <-
#'     \link{mapQuery}(query, model)},
#'     \code{\link{transferLabels}(query, reference, "cell_type")}\cr
#'   find genes that differ \tab \code{\link{differentialExpression}(sce, model,
#'     "cell_type", to = "B cells")}\cr
#'   find where samples differ in numbers \tab
#'     \code{\link{differentialAbundance}(sce, model, "sample", ...)}\cr
#'   find doublets \tab \code{sce <- \link{findDoublets}(sce, lane =
#'     "lane")}\cr
#'   find genes with extra zeros \tab \code{\link{zeroInflation}(model)}\cr
#'   predict a response never measured \tab \code{pred <-
#'     \link{predictPerturbation}(sce, model, ...)}\cr
#'   \tab \code{\link{evaluatePerturbation}(pred, observed = sce)},
#'     \code{\link{plotPerturbation}(pred, observed = sce)}\cr
#'   compare perturbations \tab \code{\link{perturbationMap}(sce, model,
#'     ...)}\cr
#'   see cells as of another donor \tab \code{\link{transformCells}(sce,
#'     model, to = "101")}\cr
#'   make new cells \tab \code{\link{sampleCells}(model, 1000)},
#'     \code{\link{augment}(sce, model, "type", 100)}\cr
#'   find rare cells \tab \code{\link{rareness}(sce, model)}\cr
#'   walk between states \tab \code{\link{interpolateCells}(sce, model, ...)}\cr
#'   keep a model \tab \code{\link{saveModel}}, \code{\link{loadModel}},
#'     \code{saveRDS}\cr
#'   find out why nothing works \tab \code{\link{waddingtonStatus}()},
#'     \code{\link{installWaddington}()}\cr
#' }
#'
#' @section Which recipe?:
#' \tabular{ll}{
#'   \strong{data} \tab \strong{recipe}\cr
#'   counts of one or several batches \tab \code{\link{scvi}()}, the
#'     default\cr
#'   counts, conditions to exchange \tab \code{\link{cvae}()}, the default
#'     with \code{condition}\cr
#'   counts, and labels of some of the cells \tab \code{\link{scanvi}()}\cr
#'   counts, dimensions with gene loadings \tab \code{\link{linear_scvi}()}\cr
#'   counts or log expression, your own layers \tab \code{\link{vae}()},
#'     \code{\link{autoencoder}()}\cr
#'   counts or log expression, new cells only \tab \code{\link{wgan}()}\cr
#' }
#'
#' @section Python:
#' The models run in PyTorch. Loading the package starts nothing and downloads
#' nothing; Python starts at the first training.
#' \code{\link{installWaddington}()} sets it up once.
#'
#' @section Options and environment variables:
#' \describe{
#'   \item{\code{WADDINGTON_PYTHON}}{The Python to use.}
#'   \item{\code{WADDINGTON_HOME}}{Where \code{installWaddington} puts its
#'     environment.}
#'   \item{\code{options(waddington.memory = )}}{Bytes above which
#'     \code{denoise} writes to a file; a gigabyte by default.}
#' }
#'
#' @docType package
#' @aliases waddington-package
#' @import methods
#' @importClassesFrom SingleCellExperiment SingleCellExperiment
#' @importClassesFrom SummarizedExperiment SummarizedExperiment
#'   RangedSummarizedExperiment
"_PACKAGE"

#' Save and load models
#'
#' A model as one file that holds everything: weights, recipe, gene names,
#' levels, history. Python reads and writes the same file, with
#' \code{waddington.load()} and \code{model.save()}. It contains no code that
#' runs when it is loaded. \code{saveRDS} works as well, if only R will read
#' it.
#'
#' @param model A \linkS4class{WaddingtonModel}.
#' @param file String, the path; by custom it ends with \code{.wad}.
#' @param overwrite Flag: replace a file that is there? The new file is
#'   written beside it first, so that an old one survives a full disk.
#'
#' @return \code{saveModel}: \code{file}, invisibly. \code{loadModel}: a
#'   \linkS4class{WaddingtonModel}.
#'
#' @section Errors: Class \code{waddington_ModelFileError} for a file that is
#'   truncated, foreign, or written by a newer version.
#'
#' @examplesIf waddingtonAvailable()
#' model <- trainVAE(mockCells(), epochs = 2)
#' file <- tempfile(fileext = ".wad")
#' saveModel(model, file)
#' loadModel(file)
#' @export
saveModel <- function(model, file, overwrite = TRUE) {
    call <- sys.call()
    .checkModel(model, call)
    .checkString(file, "file", call)
    .checkFlag(overwrite, "overwrite", call)
    file <- path.expand(file)
    if (file.exists(file) && !overwrite) {
        .abort(c(
            "{.file {file}} exists.", i = "Set {.code overwrite = TRUE}."
        ), class = "file_exists", call = call)
    }
    if (!dir.exists(dirname(file))) {
        .abort(
            "There is no folder {.file {dirname(file)}} for {.arg file}.",
            class = "no_folder", call = call
        )
    }
    .writeWhole(model@weights, file, call)
    invisible(file)
}

# All of `bytes` or nothing: written beside, checked, then renamed.
.writeWhole <- function(bytes, file, call, write = writeBin) {
    beside <- tempfile(paste0(basename(file), "."), dirname(file))
    on.exit(unlink(beside))
    written <- tryCatch({
        suppressWarnings(write(bytes, beside))
        identical(file.size(beside), as.numeric(length(bytes)))
    }, error = function(e) FALSE)
    if (!written || !suppressWarnings(file.rename(beside, file))) {
        .abort(c(
            "The model could not be written to {.arg file} = {.file {file}}.",
            x = "Is the disk full, or the folder read-only?",
            i = "A file that was there before has not been touched."
        ), class = "not_written", call = call)
    }
}

#' @rdname saveModel
#' @export
loadModel <- function(file) {
    call <- sys.call()
    .checkString(file, "file", call)
    file <- path.expand(file)
    if (!file.exists(file) || dir.exists(file)) {
        .abort(
            "There is no {.arg file} {.file {file}}.", class = "no_file",
            call = call
        )
    }
    .modelFromBytes(readBin(file, "raw", file.size(file)), call)
}

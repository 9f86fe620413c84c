# Training, as trainVAE() and trainGAN() share it. R drives: Python trains for
# a tenth of a second at a time, so that Ctrl-C and progress belong to R.

# All that a training needs, from what the user gave. `options` are those of
# the trainer, `columns` the result of .roles().
.train <- function(counts, x, recipe, columns, options, call) {
    .checkCounts(counts, call)
    recipe <- .checkRecipe(recipe, call)
    tree <- .recipeTree(recipe, call)
    needs <- .callBridge("needs", tree, call = call)
    read <- .readColumns(x, needs, columns$values, call)
    seed <- .checkSeed(options$seed, call)
    cells <- .toCells(counts, read, call, filed = TRUE)
    trainer <- .callBridge(
        "trainer", tree, cells, seed, options$held_out,
        if (!is.null(options$start)) .handle(options$start, call),
        options$device, options$threads, options$precision,
        options[c("epochs", "batch_size", "learning_rate", "patience")],
        call = call
    )
    seconds <- system.time(
        .drive(trainer, recipe$name, options$verbose, call)
    )[["elapsed"]]
    notes <- list(
        assay = options$assay, roles = .rolesOf(recipe, columns$roles),
        seconds = seconds
    )
    told <- .callBridge("finish", trainer, notes, call = call)
    model <- .asModel(told)
    .adviseOnModel(model)
    model
}

# Which columns are the batch and the condition: as they were named in the call,
# or else in the recipe.
.rolesOf <- function(recipe, given) {
    told <- list(
        batch = recipe$args$batch,
        condition = recipe$args$condition %||% recipe$args$perturbation
    )
    told <- told[vapply(told, is.character, NA)]
    c(as.list(given), told[setdiff(names(told), names(given))])
}

# The options of the trainer, checked. Names are those of the arguments.
.trainerOptions <- function(epochs, batch_size, learning_rate, patience,
        held_out, seed, device, threads, precision, start, verbose, assay,
        call) {
    if (!is.null(verbose)) {
        .checkFlag(verbose, "verbose", call)
    }
    if (!is.null(start)) {
        .checkModel(start, call)
    }
    list(
        epochs = .checkWhole(epochs, "epochs", call),
        batch_size = .checkWhole(batch_size, "batch_size", call, 2L),
        learning_rate = .checkNumber(learning_rate, "learning_rate", call),
        patience = .checkWhole(patience, "patience", call),
        held_out = .checkHeldOut(held_out, call), seed = seed,
        device = .checkString(device, "device", call),
        threads = .checkThreads(threads, call),
        precision = .checkChoice(
            precision, c("float32", "bfloat16"), "precision", call
        ),
        start = start, verbose = verbose, assay = assay
    )
}

# A share, from 0 to 1.
.checkShare <- function(value, arg, call) {
    ok <- is.numeric(value) && length(value) == 1L && !is.na(value) &&
        value >= 0 && value <= 1
    if (!ok) {
        .abort(c(
            "{.arg {arg}} must be a number from 0 to 1.",
            x = "It is {.val {value}}."
        ), call = call)
    }
    as.numeric(value)
}

# R has loaded the library of threads before anybody can tell it to wait
# quietly; then two threads are ten times slower than one as soon as anything
# else runs. So they are used only if asked for, or if the library was told.
.checkThreads <- function(threads, call) {
    told <- nzchar(Sys.getenv(c("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")))
    if (is.null(threads) && !any(told)) {
        return(1L)
    }
    .checkWhole(threads, "threads", call)
}

.checkHeldOut <- function(held_out, call) {
    ok <- is.numeric(held_out) && length(held_out) == 1L &&
        !is.na(held_out) && held_out >= 0 && held_out < 1
    if (!ok) {
        .abort(c(
            "{.arg held_out} must be a share of the cells, from 0 to below 1.",
            x = "It is {.val {held_out}}."
        ), call = call)
    }
    as.numeric(held_out)
}

# Advance until done. An interrupt ends it, and the best state is kept.
.drive <- function(trainer, name, verbose, call, advance = .advance) {
    speaks <- .isVerbose(verbose)
    bar <- .progressBar(speaks, name)
    on.exit(bar$close())
    state <- NULL
    started <- proc.time()[["elapsed"]]
    interrupted <- .untilInterrupt({
        repeat {
            state <- advance(trainer, call)
            bar$update(state)
            if (state$done) break
        }
    })
    bar$close()
    if (interrupted) {
        state <- .callBridge(
            "interrupt", trainer, "interrupted by the user", call = call
        )
    }
    seconds <- proc.time()[["elapsed"]] - started
    .summarise(state, interrupted, seconds, speaks)
    invisible(state)
}

.advance <- function(trainer, call) {
    .callBridge("advance", trainer, 0.1, call = call)
}

# TRUE if `code` was interrupted, in R or while Python ran. Reticulate may
# report the latter as an error.
.untilInterrupt <- function(code) {
    tryCatch(
        {
            force(code)
            FALSE
        },
        interrupt = function(c) TRUE,
        error = function(e) {
            if (.isKeyboardInterrupt(e)) TRUE else stop(e)
        }
    )
}

.isKeyboardInterrupt <- function(e) {
    inherits(e, "python.builtin.KeyboardInterrupt") ||
        inherits(e, "waddington_KeyboardInterrupt") ||
        (!inherits(e, "waddington_error") &&
            grepl("^KeyboardInterrupt", conditionMessage(e)))
}

# One line in a terminal, gone at the end; nothing anywhere else.
.progressBar <- function(speaks, name) {
    if (!speaks || !cli::is_dynamic_tty()) {
        return(list(update = function(state) NULL, close = function() NULL))
    }
    frame <- environment()
    text <- ""
    id <- cli::cli_progress_bar(
        total = 1000, clear = TRUE, auto_terminate = FALSE,
        .auto_close = FALSE, .envir = frame,
        format = paste(
            "{cli::pb_spin} Training {name} {cli::pb_bar} {text}",
            "{cli::pb_eta_str}"
        )
    )
    open <- TRUE
    list(
        update = function(state) {
            text <<- .stateLine(state)
            cli::cli_progress_update(
                set = max(1, round(1000 * state$progress)), id = id,
                .envir = frame
            )
        },
        close = function() {
            if (open) cli::cli_progress_done(id = id, .envir = frame)
            open <<- FALSE
        }
    )
}

.stateLine <- function(state) {
    score <- if (is.null(state$score)) "" else
        paste0(", held out ", .score(state$score))
    paste0("epoch ", state$epoch, "/", state$epochs, score)
}

.summarise <- function(state, interrupted, seconds, speaks) {
    if (interrupted) {
        .inform(c("!" = paste(
            "Training interrupted after {state$epoch} epoch{?s};",
            "the model is the best state so far."
        )))
    } else if (speaks) {
        time <- .duration(seconds)
        .inform(c(
            v = "Trained {state$epoch} epoch{?s} in {time}: {state$why}."
        ))
    }
}

# A model that explains unseen cells no better than the gene means says so.
.adviseOnModel <- function(model) {
    nll <- model@record$held_out_nll
    trivial <- model@record$trivial_nll
    if (is.null(nll) || is.null(trivial) || nll < trivial) {
        return(invisible())
    }
    scores <- .score(c(nll, trivial))
    library <- .tree(model)$decoders[[1L]]$head$library
    scaled <- if (!is.null(library) && library != "none") {
        " times library size"
    }
    .warn(c(
        "The model is no better than the trivial one on held-out cells.",
        x = paste(
            "{scores[1L]} against {scores[2L]} nats per cell, where the",
            "trivial model is gene means{scaled}."
        ),
        i = "Train longer ({.arg epochs}), or with more cells or genes."
    ), class = "no_better_than_trivial")
}

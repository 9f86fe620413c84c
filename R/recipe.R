# Recipes in R: the name of a recipe and its arguments. What it is made of is
# Python's knowledge, which is asked only when somebody wants to see it.

# Called by the generated constructors with all their arguments.
.recipe <- function(name, args, defaults) {
    changed <- !mapply(identical, args, defaults[names(args)])
    structure(
        list(name = name, args = args, changed = names(args)[changed]),
        class = "waddington_recipe"
    )
}

# The arguments of a constructor and its defaults, as .recipe() wants them.
.recipeCall <- function(name, env = parent.frame()) {
    f <- sys.function(sys.parent())
    args <- mget(names(formals(f)), envir = env)
    defaults <- lapply(formals(f), eval, envir = baseenv())
    .recipe(name, args, defaults)
}

.isRecipe <- function(x) inherits(x, "waddington_recipe")

.checkRecipe <- function(recipe, call) {
    if (is.function(recipe)) {
        .abort(c(
            "{.arg recipe} must be a recipe, not the function that makes one.",
            i = "Write {.code recipe = scvi()}, with the parentheses."
        ), class = "not_a_recipe", call = call)
    }
    if (!.isRecipe(recipe)) {
        .abort(c(
            "{.arg recipe} must be a recipe, such as {.code scvi()}.",
            x = "It is {.obj_type_friendly {recipe}}.",
            i = "See {.help [recipes](waddington::recipes)}."
        ), class = "not_a_recipe", call = call)
    }
    recipe
}

# `recipe` with arguments set that it has and that are still unset.
.fillRecipe <- function(recipe, given, call) {
    for (arg in names(given)) {
        value <- given[[arg]]
        if (!arg %in% names(recipe$args)) {
            .abort(c(
                "{.code {recipe$name}()} has no argument {.arg {arg}}.",
                i = paste(
                    "Its arguments are {.arg {names(recipe$args)}}; another",
                    "recipe may know a {arg}."
                )
            ), class = "unknown_argument", call = call)
        }
        already <- recipe$args[[arg]]
        if (arg %in% recipe$changed && !identical(already, value)) {
            .abort(c(
                "{.arg {arg}} is given twice.",
                x = "{.val {value}} here, {.val {already}} in {.arg recipe}."
            ), call = call)
        }
        recipe$args[[arg]] <- value
        recipe$changed <- union(recipe$changed, arg)
    }
    recipe
}

# The arguments as JSON; a stack of Keras layers is one of them as it is.
.recipeArguments <- function(recipe) {
    values <- vapply(recipe$args, .argumentJSON, "")
    keys <- vapply(names(recipe$args), jsonlite::toJSON, "", auto_unbox = TRUE)
    paste0("{", paste0(keys, ": ", values, collapse = ", "), "}")
}

.argumentJSON <- function(value) {
    stack <- .asStack(value)
    if (!is.null(stack)) {
        return(stack)
    }
    json <- jsonlite::toJSON(
        value, auto_unbox = TRUE, null = "null", digits = NA
    )
    as.character(json)
}

# The JSON of a stack of Keras layers, or NULL if `value` is something else.
.asStack <- function(value) {
    if (inherits(value, "waddington_model")) .stackJSON(value)
}

# The whole tree of parts as JSON, every default of the core written out.
.recipeTree <- function(recipe, call = NULL) {
    .callBridge(
        "recipe", recipe$name, .recipeArguments(recipe), call = call
    )
}

#' @export
#' @noRd
format.waddington_recipe <- function(x, ...) {
    shown <- vapply(
        x$args[x$changed],
        function(v) if (is.null(.asStack(v))) deparse1(v) else "<layers>",
        ""
    )
    paste0(
        x$name, "(", paste0(names(shown), " = ", shown, collapse = ", "), ")"
    )
}

#' @export
#' @noRd
print.waddington_recipe <- function(x, ...) {
    cat("<recipe> ", format(x), "\n", sep = "")
    rest <- setdiff(names(x$args), x$changed)
    text <- paste0(rest, " = ", vapply(x$args[rest], deparse1, ""))
    if (length(rest)) {
        lines <- strwrap(
            paste("defaults:", toString(text)), width = 76L, indent = 2L,
            exdent = 12L
        )
        cat(lines, sep = "\n")
    }
    invisible(x)
}

//! The derives of [`polars-par-apply`](https://docs.rs/polars-par-apply): `FromRow` and `IntoRow`.
//!
//! Use them through that crate, which re-exports them beside the traits.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, GenericParam, Generics, Ident, Lifetime,
    LitStr, Meta, Result, Token, Type, parse_quote,
};

/// Reads a struct from a row: each field takes the column of its name.
///
/// Fields are cells; the struct may borrow, with any number of lifetime parameters. `#[par_apply(rename = "…")]` on a
/// field names another column.
#[proc_macro_derive(FromRow, attributes(par_apply))]
pub fn from_row(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(input, expand_from_row)
}

/// Writes a struct to a row: each field becomes the column of its name.
///
/// Fields are owned cells. `#[par_apply(rename = "…")]` on a field gives another name.
#[proc_macro_derive(IntoRow, attributes(par_apply))]
pub fn into_row(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(input, expand_into_row)
}

fn derive(
    input: proc_macro::TokenStream,
    expand: fn(&DeriveInput) -> Result<TokenStream>,
) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// One column of a derived row.
struct Column<'a> {
    field: &'a Ident,
    ty: &'a Type,
    name: String,
    /// Where the name is written.
    name_span: Span,
}

fn expand_from_row(input: &DeriveInput) -> Result<TokenStream> {
    let columns = columns(input, "FromRow")?;
    let (ident, names) = (&input.ident, names(&columns));
    let row = Lifetime::new("'__row", ident.span());
    let arguments = input.generics.params.iter().map(|param| match param {
        GenericParam::Lifetime(_) => quote!(#row),
        GenericParam::Const(constant) => {
            let ident = &constant.ident;
            quote!(#ident)
        }
        GenericParam::Type(_) => unreachable!("`columns` refuses type parameters"),
    });
    let fields: Vec<_> = columns.iter().map(|column| column.field).collect();
    let cells = fold(
        &columns,
        quote!(::polars_par_apply::__private::Nil),
        |column, rest| {
            let ty = with_lifetimes(column.ty.to_token_stream());
            quote_spanned!(ty.span()=> ::polars_par_apply::__private::Cons<#ty, #rest>)
        },
    );
    let read = columns.iter().rev().fold(quote!(()), |rest, column| {
        let ty = at_lifetime(column.ty.to_token_stream(), &input.generics, &row);
        quote!((#ty, #rest))
    });
    // A type that is not a cell is reported once and at its field, since the implementation takes the types as given.
    let checks = columns.iter().map(|column| {
        let ty = column.ty;
        quote_spanned!(ty.span()=> let _ = <#ty as ::polars_par_apply::Cell>::type_name;)
    });
    let mut generics = input.generics.clone();
    generics.make_where_clause().predicates.push(parse_quote!(
        for<#row> #cells: ::polars_par_apply::__private::Cells<Of<#row> = #read>
    ));
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let (check_generics, _, check_where) = input.generics.split_for_impl();
    // Names of our own, which nothing in scope can be mistaken for.
    let bound: Vec<Ident> = (0..columns.len())
        .map(|number| quote::format_ident!("__cell_{number}"))
        .collect();
    let pattern = bound
        .iter()
        .rev()
        .fold(quote!(()), |rest, cell| quote!((#cell, #rest)));
    Ok(quote! {
        const _: () = {
            #[allow(dead_code)]
            fn check_fields #check_generics() #check_where {
                #(#checks)*
            }

            #[automatically_derived]
            impl #impl_generics ::polars_par_apply::FromRow for #ident #ty_generics #where_clause {
                type Of<#row> = #ident<#(#arguments),*>;
                type Cells = #cells;
                const NAMES: ::core::option::Option<&'static [&'static str]> =
                    ::core::option::Option::Some(&[#(#names),*]);

                #[inline(always)]
                fn assemble<#row>(
                    cells: <Self::Cells as ::polars_par_apply::__private::Cells>::Of<#row>,
                ) -> Self::Of<#row> {
                    let #pattern = cells;
                    #ident { #(#fields: #bound),* }
                }
            }
        };
    })
}

fn expand_into_row(input: &DeriveInput) -> Result<TokenStream> {
    let columns = columns(input, "IntoRow")?;
    if let Some(lifetime) = input.generics.lifetimes().next() {
        let message = "`IntoRow` needs fields that own their values: a `String` or a `&'static str`, and no other borrow";
        return Err(Error::new(lifetime.span(), message));
    }
    // A type that is not a cell is reported once and at its field, since the implementation takes the types as given.
    let mut generics = input.generics.clone();
    let predicates = &mut generics.make_where_clause().predicates;
    for column in &columns {
        let ty = column.ty;
        predicates.push(parse_quote!(for<'__cell> #ty: ::polars_par_apply::IntoCell));
    }
    let checks = columns.iter().map(|column| {
        let ty = column.ty;
        quote_spanned!(ty.span()=> let _ = <#ty as ::polars_par_apply::IntoCell>::into_item;)
    });
    let (check_generics, _, check_where) = input.generics.split_for_impl();
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let (ident, names) = (&input.ident, names(&columns));
    let sink = fold(
        &columns,
        quote!(::polars_par_apply::__private::SinkNil),
        |column, rest| {
            let ty = column.ty;
            quote_spanned!(ty.span()=>
                ::polars_par_apply::__private::SinkCons<<#ty as ::polars_par_apply::IntoCell>::Sink, #rest>
            )
        },
    );
    let numbered = columns.iter().enumerate().rev();
    let items = numbered.fold(quote!(()), |rest, (number, column)| {
        let field = column.field;
        quote!((
            ::polars_par_apply::__private::item(
                self.#field,
                encoding,
                #number,
            )?,
            #rest
        ))
    });
    Ok(quote! {
        const _: () = {
            #[allow(dead_code)]
            fn check_fields #check_generics() #check_where {
                #(#checks)*
            }

            #[automatically_derived]
            impl #impl_generics ::polars_par_apply::IntoRow for #ident #ty_generics #where_clause {
                type Output = ::polars_par_apply::__private::DataFrame;
                type Sink = #sink;

                fn names() -> ::polars_par_apply::__private::DefaultNames {
                    ::polars_par_apply::__private::DefaultNames::Fields(&[#(#names),*])
                }

                #[inline(always)]
                fn into_items<Encoder: ::polars_par_apply::__private::Encoding>(
                    self,
                    encoding: Encoder,
                ) -> ::core::result::Result<
                    <Self::Sink as ::polars_par_apply::__private::Sinks>::Item,
                    ::polars_par_apply::__private::Failure,
                > {
                    ::core::result::Result::Ok(#items)
                }
            }

            #[automatically_derived]
            impl #impl_generics ::polars_par_apply::EmitRow for #ident #ty_generics #where_clause {
                type Of<'__row> = Self;
                type Rows = <::polars_par_apply::__private::Owned<Self> as ::polars_par_apply::EmitRow>::Rows;

                fn names() -> ::polars_par_apply::__private::DefaultNames {
                    <Self as ::polars_par_apply::IntoRow>::names()
                }

                #[inline(always)]
                fn push<Encoder: ::polars_par_apply::__private::Encoding>(
                    row: Self,
                    rows: &mut Self::Rows,
                    encoding: Encoder,
                ) -> ::core::result::Result<(), ::polars_par_apply::__private::Failure> {
                    <::polars_par_apply::__private::Owned<Self> as ::polars_par_apply::EmitRow>::push(
                        row, rows, encoding,
                    )
                }
            }
        };
    })
}

/// The type with this lifetime in place of those of the struct.
fn at_lifetime(ty: TokenStream, generics: &Generics, lifetime: &Lifetime) -> TokenStream {
    let mut tokens = with_lifetimes(ty).into_iter();
    let mut given = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(
                    group.delimiter(),
                    at_lifetime(group.stream(), generics, lifetime),
                );
                inner.set_span(group.span());
                given.extend([TokenTree::Group(inner)]);
            }
            TokenTree::Punct(quote) if quote.as_char() == '\'' => match tokens.next() {
                Some(TokenTree::Ident(name))
                    if generics.lifetimes().any(|it| it.lifetime.ident == name) =>
                {
                    given.extend(lifetime.to_token_stream());
                }
                name => {
                    given.extend([TokenTree::Punct(quote)]);
                    given.extend(name);
                }
            },
            other => given.extend([other]),
        }
    }
    given
}

/// The type with a lifetime for each reference without one.
///
/// The compiler reports the missing lifetime in the struct itself, and would report it again in the implementation.
fn with_lifetimes(ty: TokenStream) -> TokenStream {
    let is = |token: Option<&TokenTree>, char| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char);
    let mut tokens = ty.into_iter().peekable();
    let mut given = TokenStream::new();
    while let Some(token) = tokens.next() {
        let lacks_lifetime = is(Some(&token), '&') && !is(tokens.peek(), '\'');
        given.extend([match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), with_lifetimes(group.stream()));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            other => other,
        }]);
        if lacks_lifetime {
            given.extend(quote!('static));
        }
    }
    given
}

fn names<'a>(columns: &'a [Column<'_>]) -> Vec<&'a str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}

/// A list of types or values from the last to the first.
fn fold(
    columns: &[Column<'_>],
    end: TokenStream,
    cons: impl Fn(&Column<'_>, TokenStream) -> TokenStream,
) -> TokenStream {
    columns
        .iter()
        .rev()
        .fold(end, |rest, column| cons(column, rest))
}

/// The struct's fields as columns; or why it cannot be derived for.
fn columns<'a>(input: &'a DeriveInput, derive: &str) -> Result<Vec<Column<'a>>> {
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            Fields::Unnamed(fields) => {
                let message = format!(
                    "`{derive}` needs named fields, which are the columns' names; a tuple needs no derive"
                );
                return Err(Error::new(fields.span(), message));
            }
            Fields::Unit => {
                let message = format!("`{derive}` needs at least one field");
                return Err(Error::new(input.ident.span(), message));
            }
        },
        Data::Enum(_) | Data::Union(_) => {
            let message = format!("`{derive}` is for structs");
            return Err(Error::new(input.ident.span(), message));
        }
    };
    if let Some(parameter) = input.generics.type_params().next() {
        let message = format!("`{derive}` takes no type parameters: a column's type must be known");
        return Err(Error::new(parameter.span(), message));
    }
    if let Some(attribute) = input
        .attrs
        .iter()
        .find(|it| it.path().is_ident("par_apply"))
    {
        let message = "`par_apply` has options for fields only";
        return Err(Error::new(attribute.path().span(), message));
    }
    let mut columns: Vec<Column<'_>> = Vec::with_capacity(fields.len());
    let mut errors: Option<Error> = None;
    let mut report = |error| match &mut errors {
        Some(errors) => errors.combine(error),
        none => *none = Some(error),
    };
    for field in fields {
        match column(field) {
            Ok(column) => {
                if columns.iter().any(|earlier| earlier.name == column.name) {
                    let message = format!(
                        "two fields have the column {:?}: give one of them another name by `#[par_apply(rename = \"column\")]`",
                        column.name
                    );
                    report(Error::new(column.name_span, message));
                }
                columns.push(column);
            }
            Err(error) => report(error),
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    if columns.is_empty() {
        let message = format!("`{derive}` needs at least one field");
        return Err(Error::new(input.ident.span(), message));
    }
    Ok(columns)
}

fn column(field: &Field) -> Result<Column<'_>> {
    let ident = field.ident.as_ref().expect("the fields are named");
    let mut column = Column {
        field: ident,
        ty: &field.ty,
        name: ident.unraw().to_string(),
        name_span: ident.span(),
    };
    for attribute in &field.attrs {
        if attribute.path().is_ident("par_apply")
            && let Some(name) = renamed(attribute)?
        {
            column.name = name.value();
            column.name_span = name.span();
        }
    }
    Ok(column)
}

/// The name that `#[par_apply(rename = "…")]` gives a field.
fn renamed(attribute: &Attribute) -> Result<Option<LitStr>> {
    let wanted = "write `#[par_apply(rename = \"column\")]`";
    if !matches!(attribute.meta, Meta::List(_)) {
        return Err(Error::new(attribute.path().span(), wanted));
    }
    let mut name = None;
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("rename") {
            return Err(meta.error(format!("a field's only option is `rename`: {wanted}")));
        }
        if !meta.input.peek(Token![=]) {
            return Err(meta.error(format!("`rename` needs the column's name: {wanted}")));
        }
        name = Some(meta.value()?.parse::<LitStr>()?);
        Ok(())
    })?;
    Ok(name)
}

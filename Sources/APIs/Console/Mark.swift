/// The mark: a martlet, heraldry's swallow, which has no feet and so never lands.
enum Mark {
    /// For the header: coloured by the style sheet, and not read out, since the name stands beside it.
    static let svg: StaticString = """
        <svg class="mark" viewBox="0 0 64 64" aria-hidden="true" focusable="false"><path d="M3 8c13 1 24 7 31 17 5-2 10-3 14 0l9 3-9 3c-2 5-5 9-10 11-7 3-13 4-18 8-4 3-8 7-14 10 3-6 6-10 8-14-4 2-8 4-13 5 6-6 12-10 19-14C12 29 6 19 3 8z"/></svg>
        """
}

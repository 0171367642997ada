/// A column of a table whose values ``MasterKey`` has sealed. Whoever seals names the column here, so that a rotation
/// of the root key finds it: what is not named is lost when the old generation goes.
package struct SealedColumn: Sendable {
    package var table: String
    /// The column that tells one row from the others, and of which the label is made; text.
    package var id: String
    package var column: String
    /// What the value is authenticated with.
    package var label: @Sendable (_ id: String) -> String

    package init(
        table: String, id: String, column: String, label: @escaping @Sendable (_ id: String) -> String
    ) {
        self.table = table
        self.id = id
        self.column = column
        self.label = label
    }
}

/// A value bound to a `?` of a statement. The five cases are SQLite's storage classes; PostgreSQL gets them as
/// `bigint`, `double precision`, `text` and `bytea`.
///
/// Text may not hold a NUL character and a real may not be NaN: PostgreSQL refuses the one, SQLite turns the other
/// into NULL, so the driver rejects both with `.misuse`. A Bool is stored as the integers 0 and 1.
@usableFromInline package enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    package init(_ value: Int64) { self = .integer(value) }
    package init(_ value: Int) { self = .integer(Int64(value)) }
    package init(_ value: Bool) { self = .integer(value ? 1 : 0) }
    package init(_ value: Double) { self = .real(value) }
    package init(_ value: String) { self = .text(value) }
    package init(_ value: [UInt8]) { self = .blob(value) }

    package init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
    package init(_ value: Int?) { self = value.map { .integer(Int64($0)) } ?? .null }
    package init(_ value: Bool?) { self = value.map { SQLValue($0) } ?? .null }
    package init(_ value: Double?) { self = value.map { .real($0) } ?? .null }
    package init(_ value: String?) { self = value.map { .text($0) } ?? .null }
    package init(_ value: [UInt8]?) { self = value.map { .blob($0) } ?? .null }

    /// Why both engines could not store this value alike, or nil.
    var fault: String? {
        switch self {
        case .text(var text):
            let holdsNUL = text.withUTF8 { $0.contains(0) }
            return holdsNUL ? "a text value may not contain a NUL character; bind such bytes as a blob" : nil
        case .real(let number):
            return number.isNaN ? "a real value may not be NaN; bind NULL instead" : nil
        case .null, .integer, .blob:
            return nil
        }
    }
}

extension SQLValue: ExpressibleByNilLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByBooleanLiteral
{
    @usableFromInline package init(nilLiteral: ()) { self = .null }
    @usableFromInline package init(integerLiteral value: Int64) { self = .integer(value) }
    @usableFromInline package init(floatLiteral value: Double) { self = .real(value) }
    @usableFromInline package init(stringLiteral value: String) { self = .text(value) }
    @usableFromInline package init(booleanLiteral value: Bool) { self.init(value) }
}

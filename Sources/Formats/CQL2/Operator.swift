extension CQL2 {
    /// What is done with arguments; its raw value is the `op` of the JSON encoding.
    package enum Operator: String, Hashable, Sendable, CaseIterable {
        case and, or, not
        case equal = "="
        case notEqual = "<>"
        case less = "<"
        case greater = ">"
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case like, between
        case isIn = "in"
        case isNull
        case casei, accenti
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case power = "^"
        case remainder = "%"
        case integerDivide = "div"
        case spatialContains = "s_contains"
        case spatialCrosses = "s_crosses"
        case spatialDisjoint = "s_disjoint"
        case spatialEquals = "s_equals"
        case spatialIntersects = "s_intersects"
        case spatialOverlaps = "s_overlaps"
        case spatialTouches = "s_touches"
        case spatialWithin = "s_within"
        case temporalAfter = "t_after"
        case temporalBefore = "t_before"
        case temporalContains = "t_contains"
        case temporalDisjoint = "t_disjoint"
        case temporalDuring = "t_during"
        case temporalEquals = "t_equals"
        case temporalFinishedBy = "t_finishedby"
        case temporalFinishes = "t_finishes"
        case temporalIntersects = "t_intersects"
        case temporalMeets = "t_meets"
        case temporalMetBy = "t_metby"
        case temporalOverlappedBy = "t_overlappedby"
        case temporalOverlaps = "t_overlaps"
        case temporalStartedBy = "t_startedby"
        case temporalStarts = "t_starts"
        case arrayContainedBy = "a_containedby"
        case arrayContains = "a_contains"
        case arrayEquals = "a_equals"
        case arrayOverlaps = "a_overlaps"
        // Functions of this server, told at `/functions`.
        case abs, ceil, floor, round, sqrt, lower, upper, length, year, month, day
    }

    package enum Group: Sendable { case logical, comparison, text, arithmetic, spatial, temporal, array, function }

    /// What an expression yields.
    package enum Kind: String, Sendable {
        case condition, text, number, moment, geometry, list
        /// A property or a function: its values tell.
        case any
    }
}

extension CQL2.Operator {
    package var group: CQL2.Group {
        switch self {
        case .and, .or, .not: .logical
        case .equal, .notEqual, .less, .greater, .lessOrEqual, .greaterOrEqual, .like, .between, .isIn, .isNull:
            .comparison
        case .casei, .accenti: .text
        case .add, .subtract, .multiply, .divide, .power, .remainder, .integerDivide: .arithmetic
        case .abs, .ceil, .floor, .round, .sqrt, .lower, .upper, .length, .year, .month, .day: .function
        default: rawValue.hasPrefix("s_") ? .spatial : rawValue.hasPrefix("t_") ? .temporal : .array
        }
    }

    /// Operators by the names that they have in both encodings, in lower case.
    static let named = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue.lowercased(), $0) })

    /// The functions of this server, with what they take and give.
    package static let functions = allCases.filter { $0.group == .function }

    package var argumentKinds: [CQL2.Kind] {
        switch self {
        case .not: [.condition]
        case .and, .or: [.condition, .condition]
        case .equal, .notEqual, .less, .greater, .lessOrEqual, .greaterOrEqual: [.any, .any]
        case .like: [.text, .text]
        case .between: [.any, .any, .any]
        case .isIn: [.any, .list]
        case .isNull: [.any]
        case .casei, .accenti, .lower, .upper, .length: [.text]
        case .abs, .ceil, .floor, .round, .sqrt: [.number]
        case .year, .month, .day: [.moment]
        default:
            switch group {
            case .arithmetic: [.number, .number]
            case .spatial: [.geometry, .geometry]
            case .temporal: [.moment, .moment]
            default: [.list, .list]
            }
        }
    }

    package var result: CQL2.Kind {
        switch self {
        case .casei, .accenti, .lower, .upper: .text
        case .length, .abs, .ceil, .floor, .round, .sqrt, .year, .month, .day: .number
        default: group == .arithmetic ? .number : .condition
        }
    }

    package var description: String {
        switch self {
        case .abs: "The absolute value of a number."
        case .ceil: "The least whole number that is not less."
        case .floor: "The greatest whole number that is not greater."
        case .round: "The nearest whole number."
        case .sqrt: "The square root of a number."
        case .lower: "A text in lower case."
        case .upper: "A text in upper case."
        case .length: "How many characters a text has."
        case .year: "The year of a moment, in UTC."
        case .month: "The month of a moment, 1 to 12, in UTC."
        case .day: "The day of the month of a moment, in UTC."
        default: rawValue
        }
    }
}

extension CQL2 {
    package var kind: Kind {
        switch self {
        case .property: .any
        case .string: .text
        case .number: .number
        case .bool: .condition
        case .date, .timestamp, .interval, .open: .moment
        case .geometry, .box: .geometry
        case .array: .list
        case .call(let call, _): call.result
        }
    }

    /// A call whose arguments were looked at.
    ///
    /// - Throws: ``CQL2Error`` with what the operator takes.
    static func checked(_ call: Operator, _ arguments: [CQL2], at place: String) throws(CQL2Error) -> CQL2 {
        let kinds = call.argumentKinds
        let isChain = call == .and || call == .or
        guard isChain ? !arguments.isEmpty : arguments.count == kinds.count else {
            throw CQL2Error(
                "\(call.rawValue) takes \(kinds.count) argument\(kinds.count == 1 ? "" : "s"), here are \(arguments.count)",
                at: place)
        }
        for (index, argument) in arguments.enumerated() {
            let wanted = kinds[min(index, kinds.count - 1)]
            let given = argument.kind
            let fits =
                switch (wanted, given) {
                case (_, .any): true
                case (.any, .list), (.any, .geometry): call == .isNull || call.isEquality
                // A string that is a date may stand for one.
                case (.moment, .text): true
                case (.any, _): true
                default: wanted == given
                }
            guard fits else {
                throw CQL2Error(
                    "\(call.rawValue) takes a \(wanted.rawValue) where a \(given.rawValue) stands", at: place)
            }
        }
        return isChain && arguments.count == 1 ? arguments[0] : .call(call, arguments)
    }
}

extension CQL2.Operator {
    var isEquality: Bool { self == .equal || self == .notEqual }
}

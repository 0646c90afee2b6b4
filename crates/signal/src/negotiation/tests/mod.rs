//! Negotiation against offers and answers of real clients and against a model of one.
